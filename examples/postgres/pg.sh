#!/bin/sh
# Runs one of PostgreSQL's programs, which Debian does not put into the PATH: pg.sh PROGRAM [ARGUMENTS]
if [ "$(id -u)" = 0 ]; then
    echo "PostgreSQL refuses to run as root: run the worker as another user" >&2
    exit 1
fi
for bin in /usr/lib/postgresql/*/bin; do
    PATH=$bin:$PATH
done
exec "$@"
