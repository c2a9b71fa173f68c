"""The machine's own clock."""

import asyncio
import time


class BootClock:
    def now_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
