#!/bin/sh
# A member of an etcd cluster: member.sh CLIENT-URL [etcd's options]
# Once a client says that it is warm, the member that leads makes a mark, at which the
# experiment does something to it.
url=$1
shift
{
    curl -sf --unix-socket "$DOWNBEAT_SYNC" 'http://worker/value/warm?wait=60s' >/dev/null &&
        ETCDCTL_API=3 etcdctl --endpoints "$url" endpoint status --write-out fields | awk '
            /"MemberID"/ { me = $3 } /"Leader"/ { leader = $3 } END { exit me != leader }' &&
        curl -sf --unix-socket "$DOWNBEAT_SYNC" -X POST http://worker/mark/leader
} &
exec etcd "$@"
