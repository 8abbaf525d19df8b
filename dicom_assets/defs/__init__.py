"""The thin Dagster layer: partitions, resources, assets, jobs, sensors."""
