"""A plugin for studies on the cluster of the tests: Snakemake looks at its jobs each second, not ever more rarely."""

import asyncio
import sys
from typing import Any

WITH_EXECUTOR = "snakemake_interface_executor_plugins.executors.remote"


async def _sleep(executor: Any) -> None:
    await asyncio.sleep(1)


if WITH_EXECUTOR in sys.modules:
    sys.modules[WITH_EXECUTOR].RemoteExecutor.sleep = _sleep
