"""Blocks for Slack."""

from blocks_slack.webhook import SlackWebhook

__all__ = ["SlackWebhook"]
