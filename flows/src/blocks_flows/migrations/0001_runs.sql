-- Times are Unix times in seconds. Rows of run_states, run_logs and run_alerts are events: their ids are
-- made by the journal that wrote them and sort by the order in which it did. A run's revision counts
-- its states, so that a row that comes late changes nothing. Where the engine said in the log that a task run began or
-- ended, `said` of its state says so, and the log has no line for it: 1 that it began, 2 that it ended, 3 both.
CREATE TABLE flow_runs (
    id TEXT PRIMARY KEY,
    flow_name TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    parent_flow_run_id TEXT,
    parent_task_run_id TEXT,
    parameters TEXT NOT NULL,
    tags TEXT NOT NULL,
    scheduled_at REAL NOT NULL,
    run_count INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    state_message TEXT NOT NULL,
    state_at REAL NOT NULL,
    revision INTEGER NOT NULL,
    started_at REAL,
    ended_at REAL,
    result_storage TEXT,
    result_path TEXT,
    result_location TEXT,
    host TEXT NOT NULL,
    process_id INTEGER NOT NULL
);
CREATE INDEX flow_runs_by_time ON flow_runs (scheduled_at);
CREATE INDEX flow_runs_by_name ON flow_runs (flow_name, scheduled_at);
CREATE INDEX flow_runs_by_parent ON flow_runs (parent_flow_run_id);

CREATE TABLE task_runs (
    id TEXT PRIMARY KEY,
    flow_run_id TEXT NOT NULL,
    task_name TEXT NOT NULL,
    task_slug TEXT NOT NULL,
    name TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    run_count INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    state_message TEXT NOT NULL,
    state_at REAL NOT NULL,
    revision INTEGER NOT NULL,
    started_at REAL,
    ended_at REAL,
    result_storage TEXT,
    result_path TEXT,
    result_location TEXT
);
CREATE INDEX task_runs_by_flow_run ON task_runs (flow_run_id, id);

CREATE TABLE run_states (
    id TEXT NOT NULL,
    flow_run_id TEXT NOT NULL,
    task_run_id TEXT,
    at REAL NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    message TEXT NOT NULL,
    said INTEGER NOT NULL,
    PRIMARY KEY (flow_run_id, id)
);

CREATE TABLE run_logs (
    id TEXT NOT NULL,
    flow_run_id TEXT NOT NULL,
    task_run_id TEXT,
    at REAL NOT NULL,
    level INTEGER NOT NULL,
    logger TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (flow_run_id, id)
);

CREATE TABLE run_alerts (
    id TEXT NOT NULL,
    flow_run_id TEXT NOT NULL,
    task_run_id TEXT,
    at REAL NOT NULL,
    target TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (flow_run_id, id)
);
