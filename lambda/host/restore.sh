#!/bin/sh
# tourniquet-restore: take away the rules that tourniquet-isolate set, and no others.
#
# Sockets that were closed stay closed. The last line is the result, in JSON: its
# "rules" are those of ours that are still in force.
set -uf
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
unset ENV BASH_ENV IFS
exec 2>/dev/null </dev/null
command -v timeout >/dev/null || timeout() { shift && "$@"; }

rules=none
error=

# problem adds a text to the error of the result, cleaned for JSON.
problem() {
	text=$(printf '%.200s' "$1")
	while :; do
		case $text in
		*[!\ -~]*) text="${text%%[!\ -~]*} ${text#*[!\ -~]}" ;;
		*[\"\\]*) text="${text%%[\"\\]*}'${text#*[\"\\]}" ;;
		*) break ;;
		esac
	done
	[ "${#error}" -gt 400 ] || error="${error:+$error; }$text"
}

table_is_there() { timeout 4 nft list table inet tourniquet >/dev/null; }

chain_is_there() { timeout 4 "$1" -t mangle -S | grep -qxEe '-N TOURNIQUET-(IN|OUT|FWD)'; }

# lift prints the transaction that takes the jumps to our chains away, and then them.
lift() {
	all=$(timeout 4 "$1" -t mangle -S)
	printf '%s\n' '*mangle'
	printf '%s\n' "$all" | grep -xEe '-A [A-Z]+ -j TOURNIQUET-(IN|OUT|FWD)' | sed 's/^-A/-D/'
	for verb in -F -X; do
		printf '%s\n' "$all" | grep -xEe '-N TOURNIQUET-(IN|OUT|FWD)' | sed "s/^-N/$verb/"
	done
	printf '%s\n' COMMIT
}

lift_family() {
	# The old kind holds the lock for as long as it reads: nothing that is piped into
	# it may ask iptables.
	commands=$(lift "$1")
	for wait in '-w 3' ''; do
		# shellcheck disable=SC2086 # two words, or none
		refusal=$(printf '%s\n' "$commands" | timeout 4 "$1-restore" $wait --noflush 2>&1) && return
	done
	problem "$1: $refusal"
}

if command -v nft >/dev/null && table_is_there; then
	refusal=$(timeout 4 nft delete table inet tourniquet 2>&1) || problem "nft: $refusal"
	table_is_there && rules=nft
fi
for tool in iptables ip6tables; do
	command -v "$tool" >/dev/null || continue
	chain_is_there "$tool" || continue
	lift_family "$tool"
	chain_is_there "$tool" && rules=iptables
done
printf '{"version":1,"rules":"%s","closed":0,"left":0,"truncated":false,"error":"%s"}\n' "$rules" "$error"
[ "$rules" = none ]
