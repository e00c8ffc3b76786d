#!/bin/sh
# Sets the password of the daemon's role from a file, as a superuser: psql finds the server by PGHOST, PGUSER, PGDATABASE.
#
#   OWNER_PASSWORD_FILE=/etc/fieldwatch/database-password sh sql/roles/password.sh
#
# The password is in no argument and no log: psql sends its hash. In the image of PostgreSQL this is a script of
# /docker-entrypoint-initdb.d. By hand, `psql -c '\password fieldwatch_owner'` does the same.
set -eu
PGUSER="${PGUSER:-${POSTGRES_USER:-postgres}}" PGDATABASE="${PGDATABASE:-${POSTGRES_DB:-fieldwatch}}" \
  psql -X -q -v ON_ERROR_STOP=1 -v role="${OWNER_ROLE:-fieldwatch_owner}" <<SQL
SET log_statement = 'none';
SET password_encryption = 'scram-sha-256';
\set password \`cat "${OWNER_PASSWORD_FILE:?the file with the password}"\`
ALTER ROLE :"role" PASSWORD :'password';
SQL
