#!/bin/sh
# redis-benchmark as soon as the server answers: bench.sh ADDRESS PORT [redis-benchmark's options]
# Everything starts at the same instant, so the server may not listen yet.
address=$1 port=$2
shift 2
tries=0
until redis-cli -h "$address" -p "$port" ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ]; then
        echo "no answer from redis-server at $address:$port" >&2
        exit 1
    fi
    sleep 0.1
done
exec redis-benchmark -h "$address" -p "$port" --csv "$@"
