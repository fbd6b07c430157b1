"""Wire benchmarks: Lockgate beside the programs that hospitals have, in one run on the same bytes."""
