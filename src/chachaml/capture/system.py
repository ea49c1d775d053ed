"""How busy the machine is while a run runs: CPU, memory, disk, network, NVIDIA GPUs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from chachaml.core.errors import MissingExtra

__all__ = ["Sampler", "require_psutil"]


def require_psutil() -> Any:
    """Return psutil.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import psutil
    except ImportError:
        raise MissingExtra("system metrics need psutil", "pip install 'chachaml[system]'") from None
    return psutil


class Sampler:
    """Measures every so many seconds, in a thread of its own, until `stop`.

    Keys: ``system/cpu`` and ``system/process.cpu`` (percent; of one core for the process),
    ``system/memory`` (percent), ``system/process.memory`` (bytes), ``system/disk.read``, ``disk.write``,
    ``network.sent``, ``network.received`` (bytes since the start), and by GPU ``system/gpu.0.use``,
    ``gpu.0.memory`` (percent), ``gpu.0.power`` (watts), ``gpu.0.temperature`` (Celsius).

    Args:
        log: Takes the values by key, and the number of the sample.
        every: Seconds.

    Raises:
        MissingExtra: psutil is not installed.
    """

    def __init__(self, log: Callable[[dict[str, float], int], None], every: float) -> None:
        self._psutil = psutil = require_psutil()
        self._log, self._every = log, every
        self._done = threading.Event()
        self._process = psutil.Process()
        self._gpus = _gpus()
        self._began = self._counters()
        psutil.cpu_percent()  # the first answer is since the call before
        self._process.cpu_percent()

    def start(self) -> None:
        """Begin to measure."""
        threading.Thread(target=self._loop, name="chachaml-system", daemon=True).start()

    def stop(self) -> None:
        """Measure no more."""
        self._done.set()

    def _loop(self) -> None:
        number = 0
        while not self._done.wait(self._every):
            try:
                self._log(self.sample(), number)
            except Exception:  # the run has ended meanwhile, or the system refuses: no reason to say anything
                return
            number += 1

    def sample(self) -> dict[str, float]:
        """Return all values now, by key."""
        values = {
            "system/cpu": self._psutil.cpu_percent(),
            "system/memory": self._psutil.virtual_memory().percent,
            "system/process.cpu": self._process.cpu_percent(),
            "system/process.memory": self._process.memory_info().rss,
        }
        values |= {key: now - self._began.get(key, now) for key, now in self._counters().items()}
        for number, gpu in enumerate(self._gpus):
            values |= {f"system/gpu.{number}.{name}": value for name, value in gpu().items()}
        return {key: float(value) for key, value in values.items()}

    def _counters(self) -> dict[str, float]:
        found: dict[str, float] = {}
        with contextlib.suppress(Exception):  # some containers hide them
            disk = self._psutil.disk_io_counters()
            found |= {"system/disk.read": disk.read_bytes, "system/disk.write": disk.write_bytes}
        with contextlib.suppress(Exception):
            network = self._psutil.net_io_counters()
            found |= {
                "system/network.sent": network.bytes_sent,
                "system/network.received": network.bytes_recv,
            }
        return found


def _gpus() -> list[Callable[[], dict[str, float]]]:
    """Return for each NVIDIA GPU what measures it; none without NVIDIA's library."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []

    def measure(handle: Any) -> dict[str, float]:
        values: dict[str, float] = {}
        with contextlib.suppress(pynvml.NVMLError):
            values["use"] = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            values["memory"] = 100 * memory.used / memory.total
            values["power"] = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
            values["temperature"] = pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
        return values

    return [lambda handle=handle: measure(handle) for handle in handles]  # type: ignore[misc]
