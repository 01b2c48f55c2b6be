"""PostgreSQL killed under a running service: 503 with Retry-After, then recovery by itself."""

import asyncio
import os
import signal

import pytest

from server.layout import Layout
from server.postgres_server import PostgresServer
from tests.integration.server_http.live import Live
