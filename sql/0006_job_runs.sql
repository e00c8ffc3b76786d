-- Runs of policy jobs that the daemon started itself.
--
-- A server without background workers (the embedded one) runs no job on its own: the daemon calls run_job() when one is
-- due, and run_job() leaves no trace in TimescaleDB's own statistics. This table is what "due" is counted from, also
-- after a restart. Bounded: the daemon keeps the latest runs of each job.
CREATE TABLE job_runs (
  job_id      integer     NOT NULL,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz,                  -- null: under way, or the process ended in it
  ok          boolean     NOT NULL DEFAULT false,
  error       text,
  PRIMARY KEY (job_id, started_at)
);
