-- What a restart goes by: when and where the run's process began (see liveness.py), where the flow is declared, the
-- folder that the run was begun in, and, of a child run, its name among those of its parent.
ALTER TABLE flow_runs ADD COLUMN process_mark TEXT;
ALTER TABLE flow_runs ADD COLUMN entry_point TEXT;
ALTER TABLE flow_runs ADD COLUMN working_directory TEXT;
ALTER TABLE flow_runs ADD COLUMN slug TEXT;
