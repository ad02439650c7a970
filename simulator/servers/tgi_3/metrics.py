"""What TGI 3's /metrics page has beyond that of 0.9.3; the times that are ours alone are near those of the original."""

from __future__ import annotations

from simulator.servers.tgi.metrics import DECODE, PREFILL, QUANTITIES, SECONDS, MetricsStyle, histograms_of

METRICS = MetricsStyle("chunking", skipped_tokens=True)
HISTOGRAMS = histograms_of(
    (
        *QUANTITIES,
        ("batch_forward_duration", "prefill_step_s", SECONDS, PREFILL),
        ("batch_forward_duration", "decode_step_s", SECONDS, DECODE),
        ("batch_decode_duration", "prefill_sampling_s", SECONDS, PREFILL),
        ("batch_decode_duration", "decode_sampling_s", SECONDS, DECODE),
        ("batch_filter_duration", "prefill_sampling_s", SECONDS, PREFILL),
        ("batch_filter_duration", "decode_sampling_s", SECONDS, DECODE),
        ("batch_concat_duration", "concat_s", SECONDS, DECODE),
    )
)
