#!/usr/bin/env bash
# Debian packages that some tests drive: a browser for the web pages, ip and tc for hosts of their own,
# openssl for a certificate. Installed where we may (root, apt); else those tests skip and say why.
set -u
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
command -v ip >/dev/null && command -v tc >/dev/null || missing+=(iproute2)
command -v openssl >/dev/null || missing+=(openssl)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "tests that need ${missing[*]} will be skipped: install them to run all" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
  echo "could not install ${missing[*]}: tests that need them will be skipped" >&2
