#!/bin/sh
# tourniquet-isolate: cut a compromised host off the network, from the inside.
#
# The SSM agent runs this as root. It prints the established connections with their
# processes, then lets nothing pass in, out or forwarded, in IPv4 and IPv6, but:
#   - loopback
#   - DHCP and IPv6 neighbour discovery on the link
#   - the instance metadata service, port 80, from the host itself
#   - the SSM agent: its present connections, and new ones of its service
# Then it closes the other established sockets where the kernel can. The last line
# is the result, in JSON. Running it twice is the same as running it once.
#
# It needs a POSIX shell, the base utilities, and nft or iptables. ss only closes
# sockets: everything else comes from /proc. Names of processes and files are the
# intruder's: they are printed cleaned, and nothing is decided by them.
#
# POSIX does not have "test -ef", but every shell that is somebody's /bin/sh does:
# shellcheck disable=SC3013
set -uf
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
unset ENV BASH_ENV IFS
exec 2>/dev/null </dev/null
command -v timeout >/dev/null || timeout() { shift && "$@"; }

newline='
'
most_output=20000 # characters of evidence; SSM keeps 24,000 of the output
most_evidence=300 # connections looked at for it
program_time=80   # hundredths of a second from the start of the evidence, for looking at processes
evidence_time=200 # hundredths of a second from there, for all of it
rules=none
closed=0
left=0
truncated=false
error=

# now sets $now to the time since boot, in hundredths of a second.
now() {
	read -r uptime _ </proc/uptime
	now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

# clean sets $clean to a text of the intruder's as one printable word, of at most 80
# characters.
clean() {
	clean=$1
	[ "${#clean}" -le 80 ] || clean=$(printf '%.80s' "$clean")
	while :; do
		case $clean in
		*[!\!-~]*) clean="${clean%%[!\!-~]*}?${clean#*[!\!-~]}" ;;
		*) break ;;
		esac
	done
	clean=${clean:--}
}

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

finish() {
	printf '{"version":1,"rules":"%s","closed":%d,"left":%d,"truncated":%s,"error":"%s"}\n' \
		"$rules" "$closed" "$left" "$truncated" "$error"
	exit "$1"
}

# swap sets $swapped to the digits of an address with each 32-bit word turned round:
# /proc/net/tcp prints words in the order of the machine, little-endian wherever EC2
# has one.
swap() {
	swapped=
	rest=$1
	while [ -n "$rest" ]; do
		word=${rest%"${rest#????????}"}
		rest=${rest#????????}
		second=${word#??} third=${word#????}
		swapped=$swapped${word#??????}${third%??}${second%????}${word%??????}
	done
}

# text sets $address to the text of an address in hexadecimal.
text() {
	case $1 in 00000000000000000000FFFF????????) set -- "${1#????????????????????????}" ;; esac
	case $1 in
	????????)
		second=${1#??} third=${1#????}
		address=$((0x${1%??????})).$((0x${second%????})).$((0x${third%??})).$((0x${1#??????}))
		return
		;;
	esac
	address=
	rest=$1
	while [ -n "$rest" ]; do
		address=$address:${rest%"${rest#????}"}
		rest=${rest#????}
	done
	address=${address#:}
}

# endpoint sets $address, $port and $end, which is both, from ADDRESS:PORT in
# hexadecimal.
endpoint() {
	swap "${1%:*}"
	text "$swapped"
	port=$((0x${1##*:}))
	case $address in *:*) end="[$address]:$port" ;; *) end=$address:$port ;; esac
}

# The agent is known by the file that it runs, which must be the very file at the
# agent's path as this process sees it, and by its user. A container has paths of
# its own, and a name is anybody's. The workers of sessions and commands are not
# meant: they may be the intruder's.
agent_files=
for file in /usr/bin/amazon-ssm-agent /usr/bin/ssm-agent-worker \
	/snap/amazon-ssm-agent/current/amazon-ssm-agent /snap/amazon-ssm-agent/current/ssm-agent-worker; do
	[ -f "$file" ] && agent_files="$agent_files $file"
done

# uid_of sets $uid to a process's user where its real and effective ones are equal.
uid_of() {
	uid=
	while read -r key real effective _; do
		[ "$key" = Uid: ] || continue
		[ "$real" = "$effective" ] && uid=$real
		return
	done <"/proc/$1/status"
}

is_agent() {
	for file in $agent_files; do
		[ "/proc/$1/exe" -ef "$file" ] || continue
		uid_of "$1"
		[ "$uid" = 0 ] && return 0
	done
	return 1
}

# sockets_of adds the inodes of a process's sockets to $agent_inodes.
sockets_of() {
	set +f
	set -- "/proc/$1/fd"/*
	set -f
	for fd in "$@"; do
		[ -S "$fd" ] || continue
		inode=$(readlink "$fd")
		inode=${inode#socket:?}
		inode=${inode%?}
		case $inode in '' | *[!0-9]*) ;; *) agent_inodes="$agent_inodes|$inode" ;; esac
	done
}

agent_sockets() {
	agent_inodes=none
	for pid in $agents; do sockets_of "$pid"; done
}

# scan prints what there is among the processes: the agent, and one process of each
# other network namespace, which are those of containers.
scan() {
	namespaces=
	procs=
	[ -z "$cgroup" ] || procs=$(cat "/sys/fs/cgroup/$cgroup/cgroup.procs" || cat "/sys/fs/cgroup/unified/$cgroup/cgroup.procs")
	for pid in $procs; do
		is_agent "$pid" && echo "agent $pid"
	done
	set +f
	set -- /proc/[0-9]*
	set -f
	for dir in "$@"; do
		pid=${dir#/proc/}
		if [ "$dir/ns/net" -ef /proc/self/ns/net ]; then
			is_agent "$pid" && echo "agent $pid"
			continue
		fi
		[ -e "$dir/ns/net" ] || continue
		[ "${#namespaces}" -lt 200 ] || continue
		for other in $namespaces; do
			[ "$dir/ns/net" -ef "/proc/$other/ns/net" ] && continue 2
		done
		namespaces="$namespaces $pid"
		echo "namespace $pid"
	done
	echo end
}

# look_at_processes scans them for a second at most, however many there are, and goes
# on even if the scan hangs: to look at an executable is to ask its file system.
look_at_processes() {
	agents=
	namespaces=
	lines=$({
		scan &
		{ sleep 1 && echo late; } &
	} | while read -r line; do
		echo "$line"
		case $line in end | late) break ;; esac
	done)
	IFS=$newline
	for line in $lines; do
		case $line in
		"agent "*) agents="$agents ${line#* }" ;;
		"namespace "*) namespaces="$namespaces ${line#* }" ;;
		late) truncated=true ;;
		esac
	done
	unset IFS
}

dhcp='^ *[0-9]+: [0-9A-F]+:(0044 [0-9A-F]+:0043|0222 [0-9A-F]+:0223) '

# columns is a line of a table in /proc/net up to the inode, with the pattern of the
# remote and of the state in it.
columns() { printf '%s' "^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ ($1) ($2) [^ ]+ [^ ]+ [^ ]+ +[0-9]+ +[0-9]+"; }

# agent_connections sets $agent4 and $agent6 to the agent's present connections,
# "local-address local-port remote-address remote-port" each, $agent_ports to their
# remote ports, 443 or that of a proxy, and $agent_filter to a filter that leaves them
# and the agent's UDP sockets out.
agent_connections() {
	agent4=
	agent6=
	agent_ports=443
	agent_filter=
	for table in tcp tcp6 udp udp6; do
		IFS=$newline
		for line in $(grep -E "$(columns '[^ ]+' 01) ($agent_inodes) " "/proc/net/$table" | head -n 32); do
			unset IFS
			# shellcheck disable=SC2086 # the columns of one line, written by the kernel
			set -- $line
			endpoint "$2"
			one="$address $port" near=$end
			endpoint "$3"
			agent_filter="$agent_filter and not ( src $near and dst $end )"
			case $table:$address in
			udp*) continue ;;
			*:*:*) agent6="$agent6$one $address $port$newline" ;;
			*) agent4="$agent4$one $address $port$newline" ;;
			esac
			case ",$agent_ports," in *",$port,"*) ;; *) agent_ports=$agent_ports,$port ;; esac
		done
		unset IFS
	done
}

# own_addresses sets $own to a pattern of the remotes that no rule is about: loopback,
# the host's own addresses, the metadata service. $own_filter is the same for ss.
own_addresses() {
	own='[0-9A-F]{6}7F:[^ ]+|0{16}FFFF0000[0-9A-F]{6}7F:[^ ]+|0{24}01000000:[^ ]+'
	own="$own|FEA9FEA9:0050|0{16}FFFF0000FEA9FEA9:0050|C20E00FD0{16}54020000:0050"
	own_filter='not dst 127.0.0.0/8 and not dst [::1]'
	own_filter="$own_filter and not dst 169.254.169.254:80 and not dst [fd00:ec2::254]:80"
	own_filter="$own_filter and not ( sport = :68 and dport = :67 ) and not ( sport = :546 and dport = :547 )"
	before=
	for word in $(grep -B 1 '/32 host LOCAL' /proc/net/fib_trie | head -n 400); do
		case $word in *.*.*.*) before=$word ;; LOCAL) own4 "$before" ;; esac
	done
	for word in $(grep -v ' lo$' /proc/net/if_inet6 | head -n 100); do
		case $word in ????????????????????????????????) own6 "$word" ;; esac
	done
}

own4() {
	case $1 in 127.*) return ;; esac
	case " $own_filter " in *" $1 "*) return ;; esac
	own_filter="$own_filter and not dst $1"
	IFS=.
	# shellcheck disable=SC2086 # the four numbers of an address
	set -- $1
	unset IFS
	word=$(printf '%02X%02X%02X%02X' "$4" "$3" "$2" "$1")
	own="$own|$word:[^ ]+|0{16}FFFF0000$word:[^ ]+"
}

own6() {
	text "$1"
	own_filter="$own_filter and not dst [$address]"
	swap "$(printf '%s' "$1" | tr a-f A-F)"
	own="$own|$swapped:[^ ]+"
}

# others prints the lines of a table in /proc/net for established connections that
# are not loopback, not to the metadata service, not DHCP and not the agent's.
others() {
	case $1 in */udp*) states=01 ;; *) states='01|04|05|08' ;; esac
	grep -E "$(columns '[^ ]+' "$states") " "$1" |
		grep -vE "$(columns "$own" ..) |$(columns '[^ ]+' ..) ($agent_inodes) |$dhcp"
}

# evidence prints the established connections, one a line: protocol, local and remote
# endpoint, user, process, its name, its executable, and the process that stands for
# its network namespace where that is not the host's. On a host that is kept busy, the
# addresses come first: what looking at processes has no time for is a "-".
evidence() {
	now
	start=$now
	hurry=false
	found=
	count=0
	inodes=none
	for place in self $namespaces; do
		hurries && break
		for table in tcp tcp6 udp udp6; do
			IFS=$newline
			for line in $(others "/proc/$place/net/$table" | head -n $((most_evidence + 1))); do
				count=$((count + 1))
				[ "$count" -le "$most_evidence" ] || break 3
				unset IFS
				# shellcheck disable=SC2086 # the columns of one line, written by the kernel
				set -- $line
				found="$found${table%6} $2 $3 $8 ${10} $place$newline"
				inodes="$inodes|${10}"
			done
			unset IFS
		done
	done
	unset IFS
	[ "$count" -le "$most_evidence" ] || truncated=true
	hurries || owners
	written=0
	IFS=$newline
	for line in $found; do
		unset IFS
		hurries
		if [ "$written" -gt "$most_output" ] || [ $((now - start)) -gt "$evidence_time" ]; then
			truncated=true
			break
		fi
		# shellcheck disable=SC2086 # the words of one line, put together above
		connection $line
	done
	unset IFS
}

# hurries reports whether the time for looking at processes is over. The evidence is not
# complete then.
hurries() {
	now
	[ $((now - start)) -le "$program_time" ] || hurry=true truncated=true
	$hurry
}

# owners sets owner_INODE to the process of each socket in question. Variables of
# their own, since the shell takes its time to cut a long text.
owners() {
	pid=
	set +f
	set -- /proc/[0-9]*/fd
	set -f
	IFS=$newline
	for line in $(timeout 1 ls -ln "$@" | grep -E "^/proc/[0-9]+/fd:\$|socket:\[($inodes)\]\$" | head -n 40000); do
		case $line in
		/proc/*)
			pid=${line#/proc/}
			pid=${pid%%/*}
			;;
		*)
			inode=${line##*socket:?}
			eval "owner_${inode%?}=$pid"
			;;
		esac
	done
	unset IFS
}

# connection prints one line of evidence.
connection() {
	endpoint "$2"
	near=$end
	endpoint "$3"
	eval "pid=\${owner_$5:-0}"
	eval "program=\${program_$pid:-}"
	[ -n "$program" ] || look_at_program "$pid"
	line="$1 $near $end $4 $pid $program"
	[ "$6" = self ] || line="$line $6"
	printf '%s\n' "$line"
	written=$((written + ${#line} + 1))
}

# look_at_program sets $program, and program_PROCESS, to the name and the executable of
# a process.
look_at_program() {
	name=
	read -r name <"/proc/$1/comm"
	clean "$name"
	program=$clean
	clean=-
	$hurry || clean "$(readlink "/proc/$1/exe")"
	program="$program $clean"
	eval "program_$1=\$program"
}

# surroundings sets $links4 and $links6 to the networks on the link, and $dns4 and $dns6
# to the addresses of resolvers. A host that asks itself has systemd-resolved, whose
# user, $resolver_uid, asks others.
surroundings() {
	links4='' links6='' dns4='' dns6='' resolver_uid='' asks_itself=false
	IFS=$newline
	for line in $(head -n 60 /proc/net/route); do
		unset IFS
		# shellcheck disable=SC2086 # the columns of one line, written by the kernel
		set -- $line
		case $1:$3:$8 in lo:* | *:00000000) ;; *:00000000:*) link4 "$2" "$8" ;; esac
	done
	IFS=$newline
	for line in $(head -n 200 /proc/net/ipv6_route); do
		unset IFS
		# shellcheck disable=SC2086 # likewise
		set -- $line
		case ${10}:$5:$2:$1 in
		lo:* | *:00:* | *:80:* | *:f[ef]??????????????????????????????) ;;
		*:00000000000000000000000000000000:*) text "$1" && links6="$links6 $address/$((0x$2))" ;;
		esac
	done
	unset IFS
	nameservers /etc/resolv.conf
	$asks_itself || return 0
	line=$(grep '^systemd-resolve:' /etc/passwd | head -n 1)
	line=${line#*:*:}
	case ${line%%:*} in '' | *[!0-9]*) return ;; esac
	resolver_uid=${line%%:*}
	nameservers /run/systemd/resolve/resolv.conf
}

link4() {
	swap "$1"
	text "$swapped"
	swap "$2"
	bits=0
	rest=$swapped
	while [ -n "$rest" ]; do
		case $rest in
		F*) bits=$((bits + 4)) ;;
		E*) bits=$((bits + 3)) ;;
		C*) bits=$((bits + 2)) ;;
		8*) bits=$((bits + 1)) ;;
		esac
		rest=${rest#?}
	done
	links4="$links4 $address/$bits"
}

nameservers() {
	IFS=$newline
	for line in $(timeout 1 head -c 4000 "$1" | grep '^nameserver' | head -n 6); do
		unset IFS
		# shellcheck disable=SC2086 # whatever is not an address is dropped below
		set -- $line
		case ${2-} in
		127.* | ::1) asks_itself=true ;;
		'' | *[!0-9a-fA-F:.]*) ;;
		*:*:*) dns6="$dns6 $2" ;;
		*[!0-9.]* | *.*.*.*.* | .* | *. | *..*) ;;
		*.*.*.*) dns4="$dns4 $2" ;;
		esac
	done
	unset IFS
}

# service sets $cgroup to the one of the agent's service, where there is one.
service() {
	for cgroup in system.slice/amazon-ssm-agent.service \
		system.slice/snap.amazon-ssm-agent.amazon-ssm-agent.service; do
		[ -d "/sys/fs/cgroup/$cgroup" ] || [ -d "/sys/fs/cgroup/unified/$cgroup" ] || continue
		return
	done
	cgroup=
}

# attempts are the ways to tell the agent's new connections, the best one first. A
# kernel, or a tool, that does not know one refuses all rules; then comes the next. The
# last one, which lets no new connection through, comes when no tool knows another.
attempts() {
	[ -z "$cgroup" ] || printf 'cgroup,dns cgroup '
	printf 'root,dns root'
}

# set_nft replaces the table in one transaction. The chains accept by policy and end
# in a drop: a table that is being replaced then never drops what both let through.
set_nft() {
	command -v nft >/dev/null || return 1
	for attempt in "$@"; do
		refusal=$(nft_rules "$attempt" | timeout 5 nft -f - 2>&1) && rules=nft && return
	done
	problem "nft: $refusal"
	return 1
}

tuples() {
	while read -r one two three four; do
		[ -z "$one" ] || printf ' %s . %s . %s . %s,' "$one" "$two" "$three" "$four"
	done
}

nft_rules() {
	key='ipv4_addr . inet_service . ipv4_addr . inet_service'
	key6='ipv6_addr . inet_service . ipv6_addr . inet_service'
	out4='ip saddr . tcp sport . ip daddr . tcp dport'
	out6='ip6 saddr . tcp sport . ip6 daddr . tcp dport'
	in4='ip daddr . tcp dport . ip saddr . tcp sport'
	in6='ip6 daddr . tcp dport . ip6 saddr . tcp sport'
	nd='icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255'
	elements4=$(printf '%s' "$agent4" | tuples)
	elements6=$(printf '%s' "$agent6" | tuples)
	printf '%s\n' 'add table inet tourniquet' 'delete table inet tourniquet' 'table inet tourniquet {' \
		"set agent4 {" "type $key" "${elements4:+elements = {$elements4 \}}" '}' \
		"set agent6 {" "type $key6" "${elements6:+elements = {$elements6 \}}" '}'
	case $1 in none) ;; *)
		printf '%s\n' "set opened4 { type $key; flags dynamic, timeout; timeout 1h; size 4096; }" \
			"set opened6 { type $key6; flags dynamic, timeout; timeout 1h; size 4096; }"
		;;
	esac
	printf '%s\n' 'chain forward {' 'type filter hook forward priority -150; policy accept;' 'drop' '}'

	printf '%s\n' 'chain input {' 'type filter hook input priority -150; policy accept;' 'iif lo accept' \
		"$in4 @agent4 accept" "$in6 @agent6 accept" \
		'ip saddr 169.254.169.254 tcp sport 80 accept' 'ip6 saddr fd00:ec2::254 tcp sport 80 accept' \
		'ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept' "$nd accept"
	case $1 in none) ;; *) printf '%s\n' "$in4 @opened4 accept" "$in6 @opened6 accept" ;; esac
	for net in $links4; do printf '%s\n' "ip saddr $net udp sport 67 udp dport 68 accept"; done
	case $1 in *,dns)
		for net in $dns4; do printf '%s\n' "ip saddr $net udp sport 53 accept"; done
		for net in $dns6; do printf '%s\n' "ip6 saddr $net udp sport 53 accept"; done
		;;
	esac
	printf '%s\n' 'drop' '}'

	printf '%s\n' 'chain output {' 'type filter hook output priority -150; policy accept;' 'oif lo accept' \
		"$out4 @agent4 accept" "$out6 @agent6 accept" \
		'ip daddr 169.254.169.254 tcp dport 80 accept' 'ip6 daddr fd00:ec2::254 tcp dport 80 accept' \
		'ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept' \
		'ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 accept' \
		"ip6 daddr { fe80::/10, ff02::/16 } $nd accept"
	for net in $links4; do printf '%s\n' "ip daddr $net udp sport 68 udp dport 67 accept"; done
	for net in $links6; do printf '%s\n' "ip6 daddr $net $nd accept"; done
	nft_new "$1"
	printf '%s\n' 'drop' '}' '}'
}

# nft_new lets the agent's service open connections. A connection is let through by
# its first packet: what was there before is not let through by these rules.
nft_new() {
	ports=443
	case $1 in
	none) return ;;
	cgroup*) who="meta skuid 0 socket cgroupv2 level 2 \"$cgroup\"" ports=$agent_ports ;;
	*) who='meta skuid 0' ;;
	esac
	first="tcp flags & (fin|syn|rst|ack) == syn tcp dport { $ports } $who"
	printf '%s\n' "meta nfproto ipv4 $first update @opened4 { $out4 } accept" \
		"meta nfproto ipv6 $first update @opened6 { $out6 } accept" \
		"$out4 @opened4 update @opened4 { $out4 } accept" "$out6 @opened6 update @opened6 { $out6 } accept"
	case $1 in *,dns)
		for net in $dns4; do nft_dns "ip daddr $net"; done
		for net in $dns6; do nft_dns "ip6 daddr $net"; done
		;;
	esac
}

nft_dns() {
	printf '%s\n' "$1 udp dport 53 $who accept"
	[ -z "$resolver_uid" ] || printf '%s\n' "$1 udp dport 53 meta skuid $resolver_uid accept"
}

# set_iptables sets the same rules as chains of ours, which the mangle table's chains
# jump to: container engines and firewalls keep to the filter table. What may pass
# returns, so that it still meets the rules of others. Each family is one transaction.
set_iptables() {
	command -v iptables-restore >/dev/null || return 1
	family iptables '' "$@" && rules=iptables || return 1
	[ -f /proc/net/if_inet6 ] || return 0
	family ip6tables 6 "$@" none || problem 'the rules are for IPv4 only'
}

family() {
	tool=$1 version=$2
	shift 2
	wait='-w 3' # for the lock; an old iptables-restore does not know it
	for attempt in "$@"; do
		# The old kind holds the lock for as long as it reads: nothing that is piped
		# into it may ask iptables.
		commands=$(iptables_rules "$tool" "$version" "$attempt")
		# shellcheck disable=SC2086 # two words, or none
		refusal=$(printf '%s\n' "$commands" | timeout 4 "$tool-restore" $wait --noflush 2>&1) && return
		case $refusal in *option*) wait= ;; esac
	done
	problem "$tool: $refusal"
	return 1
}

iptables_rules() {
	case $2 in
	6) agent=$agent6 links=$links6 dns=$dns6 metadata=fd00:ec2::254 ;;
	*) agent=$agent4 links=$links4 dns=$dns4 metadata=169.254.169.254 ;;
	esac
	printf '%s\n' '*mangle' ':TOURNIQUET-IN - [0:0]' ':TOURNIQUET-OUT - [0:0]' ':TOURNIQUET-FWD - [0:0]'
	for one in INPUT:TOURNIQUET-IN OUTPUT:TOURNIQUET-OUT FORWARD:TOURNIQUET-FWD; do
		timeout 4 "$1" -t mangle -S "${one%:*}" | grep -xe "-A ${one%:*} -j ${one#*:}" | sed 's/^-A/-D/'
		printf '%s\n' "-I ${one%:*} 1 -j ${one#*:}"
	done
	iptables_in "$2" "$3" | sed 's/^/-A TOURNIQUET-IN /'
	iptables_out "$2" "$3" | sed 's/^/-A TOURNIQUET-OUT /'
	printf '%s\n' '-A TOURNIQUET-FWD -j DROP' COMMIT
}

mark=0x10000000/0x10000000 # on connections that the agent's service opened
nd_match='-p icmpv6 -m hl --hl-eq 255 -m icmp6 --icmpv6-type'

iptables_in() {
	printf '%s\n' '-i lo -j RETURN' "-p tcp -s $metadata --sport 80 -j RETURN"
	printf '%s' "$agent" | while read -r one two three four; do
		printf '%s\n' "-p tcp -s $three --sport $four -d $one --dport $two -j RETURN"
	done
	case $1 in
	6)
		printf '%s\n' '-p udp -s fe80::/10 --sport 547 --dport 546 -j RETURN'
		for type in 133 134 135 136; do printf '%s\n' "$nd_match $type -j RETURN"; done
		;;
	*) for net in $links; do printf '%s\n' "-p udp -s $net --sport 67 --dport 68 -j RETURN"; done ;;
	esac
	case $2 in none) ;; *) printf '%s\n' "-p tcp -m connmark --mark $mark -j RETURN" ;; esac
	case $2 in *,dns) for net in $dns; do printf '%s\n' "-p udp -s $net --sport 53 -j RETURN"; done ;; esac
	printf '%s\n' '-j DROP'
}

iptables_out() {
	printf '%s\n' '-o lo -j RETURN' "-p tcp -d $metadata --dport 80 -j RETURN"
	printf '%s' "$agent" | while read -r one two three four; do
		printf '%s\n' "-p tcp -s $one --sport $two -d $three --dport $four -j RETURN"
	done
	case $1 in
	6)
		for net in fe80::/10 ff02::1:2; do printf '%s\n' "-p udp -d $net --sport 546 --dport 547 -j RETURN"; done
		for net in fe80::/10 ff02::/16 $links; do
			for type in 133 134 135 136; do printf '%s\n' "-d $net $nd_match $type -j RETURN"; done
		done
		;;
	*) for net in 255.255.255.255 $links; do printf '%s\n' "-p udp -d $net --sport 68 --dport 67 -j RETURN"; done ;;
	esac
	who='-m owner --uid-owner 0' ports=443
	case $2 in cgroup*) who="$who -m cgroup --path $cgroup" ports=$agent_ports ;; esac
	case $2 in none) ;; *)
		printf '%s\n' "-p tcp --syn -m multiport --dports $ports $who -j CONNMARK --set-xmark $mark" \
			"-p tcp -m connmark --mark $mark -j RETURN"
		;;
	esac
	case $2 in *,dns)
		for net in $dns; do
			printf '%s\n' "-p udp -d $net --dport 53 $who -j RETURN"
			[ -z "$resolver_uid" ] || printf '%s\n' "-p udp -d $net --dport 53 -m owner --uid-owner $resolver_uid -j RETURN"
		done
		;;
	esac
	printf '%s\n' '-j DROP'
}

# close_sockets ends the connections that the rules have cut, so that no process
# waits on one, and counts what is still there.
close_sockets() {
	for _ in 1 2; do
		count=$(timeout 4 ss -HKtun state connected exclude time-wait "$own_filter$agent_filter" | grep -c .)
		closed=$((closed + count))
		[ "$count" -gt 0 ] || break
	done
	for table in tcp tcp6 udp udp6; do
		left=$((left + $(others /proc/net/$table | grep -c .)))
	done
}

service
own_addresses
look_at_processes
agent_sockets
evidence
agent_sockets
agent_connections
surroundings
# shellcheck disable=SC2046 # words
set_nft $(attempts) || set_iptables $(attempts) || set_nft none || set_iptables none
# Without rules it is still worth closing the sockets: the instance's security group
# lets no new connection through.
[ "$rules" != none ] || problem 'no rule could be set'
close_sockets
case $rules:$error in none:* | *'IPv4 only'*) finish 1 ;; esac
finish 0
