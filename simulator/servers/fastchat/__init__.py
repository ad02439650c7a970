"""FastChat 0.2.36."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.fastchat.handler import FastChatHandler
from simulator.servers.fastchat.wire import SPEC

SERVERS = (RegisteredServer(SPEC, FastChatHandler),)
