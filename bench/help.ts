export const HELP = `Usage: npm run bench -- [options]

Measures fieldwatch on this machine, each figure against a reference of the same run.

  (a) encoding        rows/s into the binary COPY format
  (b) storing         rows/s of store.commit / raw COPY of the same bytes            target 0.85 at 10,000 rows
  (c) live flow       QoS 1 messages/s to committed rows / a subscriber that counts  target 0.75
  (c2) backlog        the same of messages that the broker has queued                target 0.75
  (d) latency         from the publisher's schedule to the commit, p50 and p99, at 1,000 and 10,000 messages/s
  (e) CPU             seconds of the daemon per 100,000 messages of (c) and of (c2)
  (f) naive           one INSERT per message; (c) must be at least 5 times as fast
  (g) alerts          the alert engine alone, three rules a sensor: time of a reading, memory, restoring, and all of
                      them silent at once, each for one of 100,000 sensors / one of 10,000              target 0.5
  (h) verifying       ms for the policies of 2,400 chunks, in a session as a daemon has it, in a new one, and with a
                      trigger of another program, target below 2,000; and commits meanwhile / alone
  (i) decoding        µs per message for a typical payload of each codec; for JSON: JSON.parse alone / it  target 0.33
  (j) refusing        the longest delay of the event loop with six of the worst messages that the limits admit  target below 200 ms
  (k) waiting         a backlog of 60,000 messages per second of its own time, with alerts.allowed_lateness 2s / 0s: rate,
                      target 0.85; CPU, target 1.25 at most; memory, target 60 MB more at most
  (scale) members     CPU of members, database and broker per 100,000 messages: one daemon, then share groups of 1, 2, 4 and 8
                      at one total rate; targets 1.1 times one daemon for a group of one, 1.5 for two. Only with --only scale
  (backlog) members   100,000 messages that the broker holds, of 900 sensors: one daemon, the same with allowed_lateness 2s
                      (targets 1.25 times the CPU, 0.85 of the rate), a share group of 1 (1.1 times the CPU of that), and of
                      2 (1.5 times the CPU of one daemon, 0.75 of its rate). Only with --only backlog
  (handover)          CPU of sender, owner and database to hand over 100,000 readings of another member's shards, 0.35 s at
                      most. Only with --only handover
  (start)             ms of --help, --version and check-config of dist/ (npm run build first) / node -e 0, target 2.5 times at
                      most; resident memory of the daemon at rest, target 85 MB at most. Only with --only start
  (watched) readers   100 streams of events and 20 users of the page during 10,000 messages/s offered: rate stored, target 0.9 of
                      that without, p99 from publish to commit, 10 ms more than without at most; and during a backlog that is
                      drained, target 0.9 of the rate without; each with the CPU of daemon, database and of the readers
                      themselves, who share the machine. Only with --only watched
  (peers) others      Telegraf and Benthos (or Bento, or Redpanda Connect), those that are on PATH, each as a process beside the
                      program of dist/ (npm run build first): rate, CPU, target a third of Telegraf's, memory, and the time from
                      the start until a backlog is stored. Only with --peers or --only peers
  (export) files      rows/s of all readings through a pipe, CSV and Parquet / psql with the same statement | cat, target 0.8; Parquet,
                      target 400,000; resident memory, target 250 MB at most. Needs psql. Only with --only export
  (import) (record)   rows/s of a CSV file, target 0.7, and of recordBatch of the library, target 0.9 / store.commit of the same
                      rows. Only with --only import,record

Options:
  --only LIST         parts to run, such as a,b (default: all but those that say "only with")
  --peers             (c), (e), (f) and (peers)
  --quick             small counts: seconds instead of minutes, and rougher figures
  --runs N            repetitions of each side of (c), (c2), (k), (backlog), (watched) and (peers)
  --messages N        messages of each run of (c), (c2) and (peers)
  --rows N            rows of (export), (import) and (record)
  --database-url URL  a TimescaleDB server instead of the embedded one; the user must be allowed to create databases:
                      the bench makes one of its own and drops it
  --mqtt-url URL      a broker instead of a mosquitto of its own (mqtt://[user:password@]host:port); its queue per
                      client must hold the messages of one run
  --seed N            of the values in the payloads (default: 1)
  --cpu-prof DIR      the daemons of (c), (c2), (backlog) and (watched) leave a .cpuprofile per run in DIR
  --json              one JSON document on standard output instead of the table
  --check             exit 1 when a target is missed or a part was skipped
  --help              this text

Example: npm run bench -- --quick --only b,c --json
`;
