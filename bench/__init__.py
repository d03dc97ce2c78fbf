"""The eval turns of configurations as load on a served model: latency, throughput, correct calls per second."""
