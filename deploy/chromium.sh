#!/usr/bin/env bash
# Debian's Chromium and its driver, for the tests of the web pages. Installs them where they are missing and
# we may; says so where we may not: the tests are then skipped, except in CI (CI=true), where they fail.
set -euo pipefail
if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium and chromium-driver (Debian) for the tests of the web pages"
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null; then
        exit 0
    fi
fi
echo "NO CHROMIUM: the tests of the web pages in a browser will be skipped." >&2
echo "Install it: apt-get install chromium chromium-driver (as root), or name them in CHROMIUM and CHROMEDRIVER." >&2
