"""Blocks that send messages to people: webhooks, chat, paging, SMS and email.

A block's module is imported when the block is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_MODULES = {
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
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module  # late, with the import that it does: start-up time

    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
