"""What a training step does besides its gradient: guard, schedules, updates, replicas, means."""
