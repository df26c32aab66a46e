"""What sold slots become: leases, workers, runs, settlement."""
