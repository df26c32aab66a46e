-- Fence numbers say nothing of the order in which leases were given any more, except of leases of one task.

DROP INDEX leases_of_worker;

CREATE INDEX leases_of_worker ON leases (worker_id, leased_at, fence);

CREATE INDEX leases_of_task ON leases (task_id, fence);

CREATE INDEX leases_in_order ON leases (leased_at, fence);
