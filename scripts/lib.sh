# SPDX-License-Identifier: GPL-2.0
# Shared by the set-up scripts; meant to be sourced.
#
# All that set-up makes lies in one cache folder outside the tree:
#   userland/<key>   a Debian 13 root with the compilers the kernel was built with
#   kernel/<key>     vmlinuz, modules and the build tree of one kernel, stock or debug
#   guest/<key>      the disk image and initramfs of the test guest
#   current-kernel   the kernel chosen the last time set-up looked for the newest one
# Each entry is made under a temporary name and renamed when complete, so an interrupted run
# leaves nothing that a later run would take for finished.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${IP_CONNTRACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ip_conntrack_rust}
SUITE=trixie

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step TEXT COMMAND...: runs the command with its output in a log, shows that time passes; if it
# fails, prints the end of the log and ends the script. (Not to be called in a condition or before
# ||: there bash ignores `set -e` inside the command, too.)
step() {
	local text=$1 log start=$SECONDS next=30 pid rc=0
	shift
	mkdir -p "$CACHE/log"
	log=$CACHE/log/$(printf '%s' "$text" | tr -cs 'A-Za-z0-9.\n' '-').log
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	if [ -t 2 ]; then
		while kill -0 "$pid" 2>/dev/null; do
			printf '\r  %s … %ds' "$text" $((SECONDS - start)) >&2
			sleep 1
		done
		printf '\r' >&2
	else
		say "  $text …"
		while kill -0 "$pid" 2>/dev/null; do
			sleep 0.2
			[ $((SECONDS - start)) -lt "$next" ] && continue
			say "  $text … $((SECONDS - start)) s"
			next=$((SECONDS - start + 30))
		done
	fi
	wait "$pid" || rc=$?
	if [ "$rc" -ne 0 ]; then
		say "  $text: failed after $((SECONDS - start)) s; the last lines of $log:"
		tail -n 25 "$log" >&2
		die "set-up stopped at: $text"
	fi
	say "  $text: $((SECONDS - start)) s"
}

# lock_cache [WHAT]: one set-up at a time, two would build the same entry twice.
lock_cache() {
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock${1:+-$1}"
	if ! flock -n 9; then
		say "waiting for another set-up run to finish"
		flock 9
	fi
}

# key_of FILE…: a name for their content, the same in each copy of this tree.
key_of() { sha256sum "$@" | cut -d" " -f1 | sha256sum | cut -c1-12; }

# Package names from lists with comments.
packages() { sed 's/#.*//' "$@" | tr -s ' \t' '\n' | sed '/^$/d'; }

# Where this machine gets Debian from: the registry's address is the machine's business and is
# asked for each time.
debian_mirror() {
	local uri
	uri=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; exit }')
	[ -n "$uri" ] || die "apt on this machine knows no Debian archive: run 'apt-get update' and see /etc/apt/sources.list.d"
	printf '%s\n' "${uri%/}"
}

# Debian packages that this machine lacks are installed with apt-get; nothing else outside the
# cache folder is touched.
need_host_packages() {
	local missing=() p
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	[ "$(id -u)" -eq 0 ] || die "these Debian packages are missing and only root can install them: ${missing[*]}"
	step "apt-get update" apt-get update
	DEBIAN_FRONTEND=noninteractive step "installing ${missing[*]}" \
		apt-get install -y --no-install-recommends "${missing[@]}"
}

# make_root DIR PACKAGE-LIST…: a Debian root of its own in DIR.
make_root() {
	local dir=$1 mirror opts=() name value
	shift
	mirror=$(debian_mirror)
	# The archive may be reached through this machine's own apt settings.
	for name in Acquire::http::Proxy Acquire::https::Proxy Acquire::https::CaInfo Acquire::Check-Valid-Until; do
		value=$(apt-config shell v "$name" | sed "s/^v='\(.*\)'\$/\1/")
		[ -z "$value" ] || opts+=("--aptopt=$name \"$value\"")
	done
	rm -rf "$dir"
	mmdebstrap --variant=apt --mode=root "${opts[@]}" --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$(packages "$@" | paste -sd,)" "$SUITE" "$dir" \
		"deb $mirror $SUITE main" "deb $mirror $SUITE-backports main"
}

# in_userland COMMAND...: runs it in the Debian 13 root with this tree and the cache at their
# own places. Needs USERLAND.
in_userland() {
	local binds=(--bind "$USERLAND" / --dev /dev --proc /proc --perms 1777 --tmpfs /tmp --bind "$CACHE" "$CACHE"
		--bind "$TOP" "$TOP" --ro-bind /etc/resolv.conf /etc/resolv.conf) extra
	[ ! -r /etc/ssl/certs/ca-certificates.crt ] ||
		binds+=(--ro-bind /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt)
	for extra in ${USERLAND_BIND:-}; do
		binds+=(--bind "$extra" "$extra")
	done
	env -u LD_PRELOAD PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$CACHE/home" LC_ALL=C.UTF-8 \
		CARGO_HOME="$CACHE/cargo" bwrap "${binds[@]}" --cap-add ALL --chdir "$PWD" "$@"
}
