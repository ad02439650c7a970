#!/usr/bin/env bash
# Runs a scenario and compares it with the last good runs: what action.yml and gitlab.yml do. Exit code: docs/ci.md.
#
# CHATLOAD_CI_HOST      URL of the server
# CHATLOAD_CI_SCENARIO  scenario to run (smoke)
# CHATLOAD_CI_OPTIONS   more options of chatload run, with blanks between them
# CHATLOAD_CI_SLO       SLOs, with "; " between them
# CHATLOAD_CI_MARGIN    differences from the baselines up to this share are the same (10%)
# CHATLOAD_CI_KEEP      true: a good run becomes a baseline
set -euo pipefail

: "${CHATLOAD_CI_HOST:?the URL of the server}"
run=results/ci
baselines=results/baseline

options=(--host "$CHATLOAD_CI_HOST" --out "$run")
if [ -n "${CHATLOAD_CI_SLO:-}" ]; then
    options+=(--slo "$CHATLOAD_CI_SLO")
fi
read -r -a more <<<"${CHATLOAD_CI_OPTIONS:-}"

code=0
chatload run "${CHATLOAD_CI_SCENARIO:-smoke}" "${options[@]}" ${more[@]+"${more[@]}"} || code=$?
if [ ! -f "$run/summary.json" ]; then
    exit "$code"
fi
chatload export badge "$run" --output results/badge.svg
chatload report "$run" --share results/report.html

# Of a run that failed by itself the exit code stands; what is worse than before is told all the same.
checked=0
if compgen -G "$baselines/*/manifest.json" >/dev/null; then
    chatload check "$run" --baseline "$baselines" --margin "${CHATLOAD_CI_MARGIN:-10%}" || checked=$?
elif [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$run/summary.md" ]; then
    cat "$run/summary.md" >>"$GITHUB_STEP_SUMMARY"
fi
if [ "$code" -eq 0 ]; then
    code=$checked
fi
if [ "$code" -eq 0 ] && [ "${CHATLOAD_CI_KEEP:-false}" = true ]; then
    chatload baseline add "$run" "$baselines"
fi
exit "$code"
