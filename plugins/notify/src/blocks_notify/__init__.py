"""Blocks that send messages to people: webhooks, chat, paging, SMS and email.

A block's module is imported when the block is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_notify.apprise_service import Apprise
    from blocks_notify.discord import DiscordWebhook
    from blocks_notify.email_message import Email
    from blocks_notify.mattermost import MattermostWebhook
    from blocks_notify.opsgenie import OpsgenieWebhook
    from blocks_notify.pager_duty import PagerDutyWebhook
    from blocks_notify.teams import TeamsWebhook
    from blocks_notify.twilio import TwilioSMS
    from blocks_notify.webhook import Webhook, WebhookResponse

__all__ = [
    "Apprise",
    "DiscordWebhook",
    "Email",
    "MattermostWebhook",
    "OpsgenieWebhook",
    "PagerDutyWebhook",
    "TeamsWebhook",
    "TwilioSMS",
    "Webhook",
    "WebhookResponse",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Apprise": "apprise_service",
        "DiscordWebhook": "discord",
        "Email": "email_message",
        "MattermostWebhook": "mattermost",
        "OpsgenieWebhook": "opsgenie",
        "PagerDutyWebhook": "pager_duty",
        "TeamsWebhook": "teams",
        "TwilioSMS": "twilio",
        "Webhook": "webhook",
        "WebhookResponse": "webhook",
    },
)
