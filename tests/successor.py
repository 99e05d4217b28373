"""A plugin for pytest: httpx is httpx2 from its first import on. `scripts/bounds successor` runs the tests with it."""

import httpx2

httpx2.alias_httpx()
