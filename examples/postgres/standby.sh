#!/bin/sh
# A standby: copies the primary, and follows it: standby.sh PRIMARY-ADDRESS PRIMARY-PORT [postgres's options]
set -e
here=$(dirname "$0")
"$here/pg.sh" pg_basebackup --host "$1" --port "$2" --username postgres --pgdata data --checkpoint fast --write-recovery-conf
shift 2
exec "$here/pg.sh" postgres -D data "$@"
