"""Reads the power of GPUs from a page in Prometheus' text format, by the names that common exporters use."""

from __future__ import annotations

import math
import re

WATTS: dict[bytes, float] = {
    b"DCGM_FI_DEV_POWER_USAGE": 1.0,
    b"DCGM_FI_DEV_POWER_USAGE_INSTANT": 1.0,
    b"nvidia_smi_power_draw_watts": 1.0,
    b"nvidia_smi_power_draw_instant_watts": 1.0,
    b"nvidia_gpu_power_usage_milliwatts": 0.001,
    b"gpu_average_package_power": 1.0,
    b"gpu_package_power": 1.0,
    b"amd_gpu_average_package_power": 1.0,
    b"amd_gpu_package_power": 1.0,
    b"node_hwmon_power_average_watt": 1.0,
}
"""Metric names and their unit in W: NVIDIA's DCGM exporter, nvidia_gpu_exporter (nvidia_smi),
nvidia_gpu_prometheus_exporter, AMD's device metrics exporter, node_exporter (every power sensor of the host). Only the
first that a page has is used: the others would count the same GPUs again."""
MOST_WATTS = 100_000.0
"""Largest plausible power of one GPU: DCGM writes 9.2e18 for a number that it does not have."""
_SAMPLE = re.compile(
    rb"^[ \t]*(" + b"|".join(map(re.escape, WATTS)) + rb")(?:\{([^\n]*)\})? +([^\s]+)(?: +-?\d+)?[ \r]*$",
    re.MULTILINE,
)
_DEVICE = re.compile(
    rb"(?:^|[,\s])(UUID|uuid|gpu_uuid|gpu_id|gpu|minor_number|pci_bus_id|chip)=\"([^\"\n]*)\""
)
_HOST = re.compile(rb"(?:^|[,\s])(?:Hostname|hostname|instance|node)=\"([^\"\n]*)\"")
_BY_UUID = (b"UUID", b"uuid", b"gpu_uuid", b"gpu_id", b"gpu", b"minor_number", b"pci_bus_id", b"chip")


def read_power(page: bytes) -> tuple[float, int] | None:
    """(total W of all GPUs, number of GPUs); None if the page has none.

    Of several samples of one GPU, such as those of its MIG instances or of pods that share it, the largest counts.
    """
    samples: dict[bytes, dict[object, float]] = {}
    for name, labels, text in _SAMPLE.findall(page):
        try:
            watts = float(text) * WATTS[name]
        except ValueError:
            continue
        if not (math.isfinite(watts) and 0 <= watts <= MOST_WATTS):
            continue
        found = samples.setdefault(name, {})
        device = _device(labels)
        key = device if device is not None else len(found)
        found[key] = max(watts, found.get(key, 0.0))
    for name in WATTS:
        if name in samples:
            return sum(samples[name].values()), len(samples[name])
    return None


def _device(labels: bytes) -> tuple[bytes, bytes] | None:
    """An identifier of the GPU: its host, and its UUID or else its number; None if the labels have neither."""
    named = dict(_DEVICE.findall(labels))
    host = _HOST.search(labels)
    for name in _BY_UUID:
        if name in named:
            return (host[1] if host is not None else b"", named[name])
    return None
