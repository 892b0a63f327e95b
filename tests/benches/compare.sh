#!/usr/bin/env bash
# compare.sh COMMIT [ROUNDS]: the speed bench of an earlier commit beside that of the files here, run in turns on one core.
#
# Prints for each bench the medians of both and their ratio: above 1, the files here are faster. The earlier commit is
# built below target/compare, and with it one `cargo bench` each, which takes some minutes.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 64; }
cd "$(dirname "$0")/../.."
commit=$(git rev-parse --short "$1^{commit}")
rounds=${2:-5}
there=target/compare/$commit
mkdir -p target/compare
[ -d "$there" ] || git worktree add --quiet --detach "$there" "$commit"

# The path of the bench that is built in folder $1.
build() {
    (cd "$1" && cargo bench --locked -p tests --bench speed --no-run 2>&1) |
        sed -n "s#.*Executable.*(\(.*\))#$1/\1#p" | sed 's#^\(.*\)/\(/.*\)#\2#'
}
old=$(build "$there")
new=$(build .)
pin=$(command -v taskset >/dev/null && echo "taskset -c 0" || true)

# Name and median rate of each bench, in items a second.
rates() {
    (cd tests && $pin "$1" --bench 2>/dev/null) | awk -F'│' '
        /─ / { split($1, words, /[ ]+/); name = words[2] }
        /item\/s/ {
            split($3, rate, " "); unit = substr(rate[2], 1, 1)
            print name, rate[1] * (unit == "G" ? 1e9 : unit == "M" ? 1e6 : unit == "K" ? 1e3 : 1)
        }'
}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    rates "$(realpath "$old")" | sed 's/^/old /' >>"$results"
    rates "$(realpath "$new")" | sed 's/^/new /' >>"$results"
done
printf '%-20s%16s%16s%8s\n' "items a second" "$commit" here ratio
sort -k1,2 -k3,3g "$results" | awk '
    { key = $1 " " $2; count[key]++; value[key, count[key]] = $3; names[$2] = 1 }
    function median(key) { return value[key, int((count[key] + 1) / 2)] }
    END {
        for (name in names) {
            before = median("old " name); now = median("new " name)
            if (before && now) printf "%-20s%16.0f%16.0f%8.2f\n", name, before, now, now / before
        }
    }' | sort
