"""One trainer on one GPU workload, a process each; `benchmarks.gpu` starts them."""
