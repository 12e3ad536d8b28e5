"""Publish and subscribe: typed topics with history, whose ids are also the ids of server-sent events."""

# What is published, and where
from pagi.channels.topics import InvalidTopic, Topic, Unpublishable  # isort: skip
from pagi.channels.channels import Channels, ChannelsClosed  # isort: skip
from pagi.channels.queues import Policy  # isort: skip
from pagi.channels.memory import MemoryChannels  # isort: skip

# What a reader gets
from pagi.channels.items import Gap, Item  # isort: skip
from pagi.channels.subscription import QueueOverflow, Subscription, SubscriptionInUse, Unreadable  # isort: skip

__all__ = [
    "Channels",
    "ChannelsClosed",
    "Gap",
    "InvalidTopic",
    "Item",
    "MemoryChannels",
    "Policy",
    "QueueOverflow",
    "Subscription",
    "SubscriptionInUse",
    "Topic",
    "Unpublishable",
    "Unreadable",
]
