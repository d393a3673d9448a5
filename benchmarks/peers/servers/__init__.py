"""The contenders' programs. Each runs in an environment of its own, told its work by ``BENCHMARK_*`` variables."""
