#!/bin/sh
# For cron, which sends a mail if anything is printed, or a timer-triggered function, which looks at the exit code.
# $1 holds an operation per line. Silent when all completed; the same call on the next night polls only the rest.
set -u
report=$(maps-data-registry wait ${BASE_URL:+--base-url "$BASE_URL"} --quiet --from "$1" --results "$1.jsonl" --timeout 2h --output json 2>&1)
code=$?
case $code in
  0) exit 0 ;;
  1) echo "Some data was refused. To register again:" && jq -r 'select(.outcome == "failed") | .operation_id' "$1.jsonl" ;;
  4) echo "Some are still running, and are polled again on the next night." ;;
  *) printf '%s\n' "$report" ;;
esac
exit $code
