#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Test tdisp_chart on recorded traces, as they are and broken in many ways. Needs
# no device. The traces are those of "tdisp_run -r 2", with all events and the
# markers, in each order of teardown, one with two functions, and one each of SEV-TIO,
# Arm CCA and TDX Connect.
here=$(dirname "$(realpath "$0")")
traces=$here/traces
chart=${TDISP_CHART:-$here/tdisp_chart}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

[ -x "$chart" ] || { echo "1..0 # SKIP no program $chart"; exit 4; }

plan=262
nr=0
bad=0
echo "1..$plan"

# result NAME: of what $why is empty for success
result()
{
	nr=$((nr + 1))
	if [ -z "$why" ]; then
		echo "ok $nr $1"
	else
		echo "not ok $nr $1"
		echo "# $why" | head -n 5
		bad=1
	fi
	why=
}

# expect STATUS PATTERN ARGUMENT...: exit status, and what stderr has to say
expect()
{
	local status=$1 pattern=$2 rc=0
	shift 2

	timeout 20 "$chart" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || rc=$?
	if [ $rc -ne "$status" ]; then
		why="exit status $rc, not $status: $* $(head -n 2 "$tmp/err")"
	elif [ -n "$pattern" ] && ! grep -q -- "$pattern" "$tmp/err"; then
		why="does not say \"$pattern\": $* $(head -n 2 "$tmp/err")"
	elif [ "$status" -eq 0 ] && [ -s "$tmp/err" ]; then
		why="complains: $* $(head -n 2 "$tmp/err")"
	fi
}

orders="stop-first stop-first-late-revoke revoke-first"

for order in $orders; do
	for other in $orders; do
		if [ "$order" = "$other" ]; then
			expect 0 '' -o "$order" "$traces/$order.trace"
			result "$order"
		else
			expect 1 "not so in $other" -o "$other" "$traces/$order.trace"
			result "$order is not $other"
		fi
	done
done
expect 0 '' "$traces/two-functions.trace"
result two_functions

# Steps of firmware are those of one TSM, or of the other
expect 0 '' -o sev-tio "$traces/sev-tio.trace"
result sev_tio
expect 2 'a call that is not known' -o sev-tio "$traces/stop-first.trace"
result soft_is_not_sev_tio
expect 2 'a call that is not known' "$traces/sev-tio.trace"
result sev_tio_is_not_soft
expect 0 '' -o cca "$traces/cca.trace"
result cca
expect 2 'a call that is not known' -o cca "$traces/stop-first.trace"
result soft_is_not_cca
expect 1 'is missing' -o revoke-first "$traces/cca.trace"
result cca_is_not_soft
expect 0 '' -o tdx "$traces/tdx.trace"
result tdx
expect 2 'a call that is not known' -o tdx "$traces/stop-first.trace"
result soft_is_not_tdx
expect 2 'a call that is not known' "$traces/tdx.trace"
result tdx_is_not_soft

# missing ORDER [OTHER]: each step that has to be there is missed, by its number and
# name, but for those that OTHER has, too.
# The last field of "tdisp_chart -l" is a condition, KEY=PATTERN. What tells
# several steps is taken away once.
missing()
{
	local golden=$traces/$1.trace done=' ' number scope kind source condition rest

	[ -z "${2-}" ] || while read -r _ _ _ _ _ _ source condition; do
		done+="$source:$condition "
	done < <("$chart" -o "$2" -l)
	while read -r number scope _ _ _ kind source condition; do
		[ "$scope" != optional ] || continue
		[ "$number" != - ] || number=
		case $done in
		*" $source:$condition "*) continue ;;
		esac
		done+="$source:$condition "
		rest=
		if [ "$kind" = marker ]; then
			grep -v "tdisp_[a-z]*: \(.* > .* \)\?$source " "$golden" |
				grep -v "tdisp_step: .* > .* $source$" >"$tmp/trace"
		else
			[ -z "$condition" ] || rest=" ${condition//\*/[^ ]*}\( \|\$\)"
			grep -v " $source: .*$rest" "$golden" >"$tmp/trace"
		fi
		if cmp -s "$golden" "$tmp/trace"; then
			why="step $number ($source $condition) is not in $golden"
		else
			expect 1 "step $number ($source.*is missing" -o "$1" "$tmp/trace"
		fi
		result "$1_missing_${source}_${condition:-step_$number}"
	done < <("$chart" -o "$1" -l)
}

missing stop-first
missing sev-tio
missing cca stop-first
missing tdx stop-first

# ordered NAME FIRST THEN: the first line with THEN is moved before that with FIRST
order=stop-first
golden=$traces/stop-first.trace
ordered()
{
	awk -v first="$2" -v then="$3" '
		{ line[NR] = $0 }
		index($0, first) && !a { a = NR }
		index($0, then) && !b { b = NR }
		END {
			for (i = 1; i <= NR; i++) {
				if (i == a && b > a)
					print line[b]
				if (i != b || b < a)
					print line[i]
			}
			exit !(a && b > a)
		}' "$golden" >"$tmp/trace" || why="no line has $2, or $3 does not follow"
	[ -n "$why" ] || expect 1 'comes before' -o "$order" "$tmp/trace"
	result "order_$1"
}

ordered vdevice_after_run 'iommufd alloc-vdevice' 'kvm kvm-run'
expect 0 '' -g "$tmp/trace"
result guest_first
ordered hwpt_after_attach 'iommufd create-hwpt' 'iommufd attach-hwpt'
ordered bind_without_bind 'iommufd tsm-bind' ' tsm_bind: '
ordered lock_before_close 'new=TSM_BOUND' 'name=TDISP_LOCK_INTERFACE'
ordered report_before_lock 'name=TDISP_LOCK_INTERFACE' 'name=TDISP_GET_INTERFACE_REPORT'
ordered start_before_accept 'guest-tsm accept' 'iommufd tsm-req-start'
ordered start_before_dma ' on=1 ' 'name=TDISP_START_INTERFACE'
ordered workload_before_start 'name=TDISP_START_INTERFACE' 'device workload'
ordered dma_off_before_stop 'name=TDISP_STOP_INTERFACE' ' on=0 '
ordered free_before_dma_off ' on=0 ' 'name=TDI_FREE'
ordered restore_before_free 'name=TDI_FREE' ' tsm_restore: '
ordered shared_before_restore ' tsm_restore: ' 'device use-shared-again'

order=sev-tio
golden=$traces/sev-tio.trace
ordered sev_connect_before_create 'name=TIO_DEV_CREATE' 'name=TIO_DEV_CONNECT'
ordered sev_bind_before_create 'name=TIO_TDI_CREATE' 'name=TIO_TDI_BIND '
ordered sev_report_before_bind 'name=TIO_TDI_BIND ' 'name=TIO_TDI_REPORT'
ordered sev_info_before_measurements 'name=TIO_DEV_MEASUREMENTS' 'name=TIO_GUEST_REQUEST'
ordered sev_private_before_rmp 'name=RMPUPDATE_PRIVATE' 'kvm convert-private'
ordered sev_start_before_bind_run 'name=TIO_TDI_BIND_RUN' 'device workload'
ordered sev_dma_off_before_unbind 'name=TIO_TDI_UNBIND' ' on=0 '
ordered sev_reclaim_before_dma_off ' on=0 ' 'name=TIO_TDI_RECLAIM'
ordered sev_revoke_before_fence 'name=TIO_ASID_FENCE_STATUS' ' tsm_revoke_mmio: '
ordered sev_rmp_before_revoke ' tsm_revoke_mmio: ' 'name=RMPUPDATE_SHARED'
ordered sev_open_before_rmp 'name=RMPUPDATE_SHARED' 'old=TSM_BOUND|TSM_MMIO new=0'
ordered sev_reclaim_before_disconnect 'name=TIO_DEV_DISCONNECT' 'name=TIO_DEV_RECLAIM'

order=cca
golden=$traces/cca.trace
ordered cca_key_before_device 'name=RMI_PDEV_COMMUNICATE' 'name=RMI_PDEV_SET_PUBKEY'
ordered cca_stream_before_key 'name=RMI_PDEV_SET_PUBKEY' 'name=RMI_STREAM_CONNECT'
ordered cca_lock_before_create 'name=RMI_VDEV_CREATE' 'name=RMI_VDEV_LOCK'
ordered cca_report_before_lock 'name=RMI_VDEV_LOCK' 'name=RMI_VDEV_GET_INTERFACE_REPORT'
ordered cca_private_before_map 'name=RMI_RTT_DEV_MAP' 'kvm convert-private'
ordered cca_workload_before_start 'name=RMI_VDEV_START' 'device workload'
ordered cca_unlock_before_revoke ' tsm_revoke_mmio: ' 'name=RMI_VDEV_UNLOCK'
ordered cca_unlock_before_unmap 'name=RMI_RTT_DEV_UNMAP' 'name=RMI_VDEV_UNLOCK'
ordered cca_purge_before_refresh 'name=RMI_STREAM_KEY_REFRESH' 'name=RMI_STREAM_KEY_PURGE'
ordered cca_destroy_before_unlock 'name=RMI_VDEV_UNLOCK' 'name=RMI_VDEV_DESTROY'
ordered cca_dma_off_before_destroy 'name=RMI_VDEV_DESTROY' ' on=0 '
ordered cca_open_before_destroy 'name=RMI_VDEV_DESTROY' 'old=TSM_BOUND|TSM_MMIO new=0'
ordered cca_stop_before_stream 'name=RMI_STREAM_DISCONNECT' 'name=RMI_PDEV_STOP'

order=tdx
golden=$traces/tdx.trace
ordered tdx_stream_before_session 'name=TDH_SPDM_CONNECT' 'name=TDH_IDE_STREAM_CREATE'
ordered tdx_lock_before_create 'name=TDH_TDI_CREATE' 'name=TDH_TDI_LOCK'
ordered tdx_lock_before_metadata 'name=TDH_MMIO_MT_SET' 'name=TDH_TDI_LOCK'
ordered tdx_lock_before_dma 'name=TDH_DMAR_ADD' 'name=TDH_TDI_LOCK'
ordered tdx_report_before_asked 'firmware tdg-report' 'name=TDH_TDI_REPORT'
ordered tdx_accept_before_map ' private=1' 'firmware tdg-accept-mmio'
ordered tdx_start_before_td 'firmware tdg-start' 'vmm ghci-start'
ordered tdx_workload_before_start 'name=TDH_TDI_START' 'device workload'
ordered tdx_revoke_before_stop 'name=TDH_TDI_STOP' ' tsm_revoke_mmio: '
ordered tdx_dma_off_before_stop 'name=TDH_TDI_STOP' 'name=TDH_DMAR_BLOCK'
ordered tdx_remove_before_invalidation 'name=TDH_IQINV' 'name=TDH_DMAR_REMOVE'
ordered tdx_metadata_before_dma_off 'name=TDH_DMAR_REMOVE' 'name=TDH_MMIO_MT_REMOVE'
ordered tdx_open_before_remove 'name=TDH_TDI_REMOVE' 'old=TSM_BOUND|TSM_MMIO new=0'
grep -v ' tsm_trusted_dma: .* on=1 ' "$golden" >"$tmp/trace"
expect 1 'step 17 (tsm_trusted_dma.*is missing' -o tdx "$tmp/trace"
result tdx_missing_owner_of_dma
ordered tdx_delete_before_block 'name=TDH_IDE_STREAM_BLOCK' 'name=TDH_IDE_STREAM_DELETE'
golden=$traces/stop-first.trace

# Number of the first line with something
line_of() { grep -n -- "$1" "$golden" | head -n 1 | cut -d: -f1; }

# A line that is cut has no end
for bytes in 1 2 7 20 33; do
	line=$(line_of ' tsm_bind_done: ')
	head -n "$line" "$golden" | head -c "-$bytes" >"$tmp/trace"
	expect 2 ":$line: " "$tmp/trace"
done
result cut_line

# In the middle of the trace it has one; keys are missing then, or values wrong
head='  task-1 [000] ..... 9.000001: '
line=$(($(wc -l <"$golden") + 1))
long=$(printf 'x%.0s' $(seq 5000))
while IFS= read -r text; do
	{ cat "$golden"; echo "$head$text"; cat "$golden"; } >"$tmp/trace"
	expect 2 ":$line: " "$tmp/trace"
done <<EOT
tracing_mark_write: tdisp_step:
tracing_mark_write: tdisp_step: vmm
tracing_mark_write: tdisp_step: vmm > iommufd
tracing_mark_write: tdisp_step: vmm < iommufd tsm-bind
tracing_mark_write: tdisp_step: vmm > nobody tsm-bind
tracing_mark_write: tdisp_step: vmm > iommufd tsm-fly
tracing_mark_write: tdisp_step: vmm > kvm tsm-bind
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind fn
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind fn=
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind =1
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind fn=a fn=b
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind fn=$long
tracing_mark_write: tdisp_step: vmm > iommufd $long
tracing_mark_write: tdisp_step: $long > iommufd tsm-bind
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind round=two
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind round=99999999999999999999
tracing_mark_write: tdisp_step: vmm > iommufd tsm-bind$(printf ' k%d=1' $(seq 17))
tracing_mark_write: tdisp_done: tsm-bind
tracing_mark_write: tdisp_done: tsm-bind rc=EIO
tracing_mark_write: tdisp_done: tsm-fly rc=0
tsm_bind: device=0000:01:00.0
tsm_bind: tdi_id=0x10
tsm_bind: device=0000:01:00.0 tdi_id=
tsm_bind: device=0000:01:00.0 tdi_id=0x
tsm_fw_call: device=0000:01:00.0 name=LOCK rc=0 status=0x0 duration_ns=soon
kvm_dmabuf_zap: vm_pid=1 as_id=0 slot=1 start=0x0 end=0x1
EOT
result malformed

{ cat "$golden"; echo 'CPU:0 [LOST 12 EVENTS]'; } >"$tmp/trace"
expect 2 'events were lost' "$tmp/trace"
result lost_events

{ cat "$golden"; printf '%stsm_bind: device=\0\n' "$head"; } >"$tmp/trace"
expect 2 'not a text' "$tmp/trace"
result not_a_text

# What is none of ours may look as it likes
{
	cat <<-EOT
		# comment

		 [000]
		 [
		: : :
		tdisp_step: vmm > iommufd tsm-fly
		${head}sched_switch: prev_comm=tsm_bind: ==> next_comm=
		${head}tracing_mark_write: hello
		${head}tracing_mark_write: a tdisp_step: b
		${head}tsm_mr_read: [mr] data:00
		${head}tsm_bindx: device
		${head}$long
	EOT
	echo '   my [1] task: x-1 [000] d..1. 9.000001: softirq_raise: vec=1 [action=TIMER]'
	cat "$golden"
} >"$tmp/trace"
expect 0 '' "$tmp/trace"
result foreign_lines

# A kernel without KALLSYMS has no name for a marker
sed 's/: tracing_mark_write: /: 0xffffffff811a2b3c: /' "$golden" >"$tmp/trace"
expect 0 '' "$tmp/trace"
result without_kallsyms

# A task may be called anything
sed 's/^ *[^ ]*-\([0-9]*\) /  a [7] 1.2: b-\1 /' "$golden" >"$tmp/trace"
expect 0 '' "$tmp/trace"
result task_names

done="tracing_mark_write: tdisp_done: tsm-bind rc=-5"
sed "s/tdisp_step: vmm > iommufd tsm-bind.*/&\n$head$done/" "$golden" >"$tmp/trace"
expect 1 'step 14 (tsm-bind) fails with -5 (Input/output error)' "$tmp/trace"
result failed_step

sed 's/\( tsm_unbind_done: .* rc=\)0/\1-16/' "$golden" >"$tmp/trace"
expect 1 'step 40 (tsm_unbind_done) fails with -16' "$tmp/trace"
result failed_event

expect 0 '' -n "$tmp/trace"
result draw_only

: >"$tmp/trace"
expect 1 'is missing' "$tmp/trace"
result empty

expect 2 'order of teardown' -o backwards "$golden"
expect 2 usage -x
expect 2 usage "$golden" "$golden"
expect 2 'No such file' "$tmp/nothing"
expect 2 'No such file' -s "$tmp/nothing/x.svg" "$golden"
result usage

# Thousands of events in a round, and hundreds of rounds
awk '{ print } / name=TDISP_GET_INTERFACE_REPORT / { for (i = 0; i < 20000; i++) print }' \
	"$golden" >"$tmp/trace"
expect 0 '' -s "$tmp/svg" "$tmp/trace"
result many_events

awk '{ line[NR] = $0 } /connect-bind.*round=2/ && !from { from = NR }
	END {
		for (i = 1; i < from; i++)
			print line[i]
		for (round = 2; round < 300; round++)
			for (i = from; i <= NR; i++) {
				text = line[i]
				if (round < 299 && text ~ /host-tsm disconnect|tsm_disconnect/)
					continue
				sub(/round=2/, "round=" round, text)
				print text
			}
	}' "$golden" >"$tmp/trace"
expect 0 '' "$tmp/trace"
[ -n "$why" ] || grep -q ': 299 rounds, 299 as they have to be' "$tmp/out" ||
	why='not 299 rounds'
result many_rounds

expect 0 '' "$traces/two-functions.trace"
[ -n "$why" ] || [ -z "$(awk 'length > 120' "$tmp/out")" ] || why='a line of more than 120 columns'
[ -n "$why" ] || grep -q '^ *41 .*STOP' "$tmp/out" || why='no step 41'
result text

expect 0 '' -q "$golden"
[ -n "$why" ] || [ ! -s "$tmp/out" ] || why='says something'
result quiet

expect 0 '' -s "$tmp/svg" "$traces/revoke-first.trace" -o revoke-first
for element in text svg defs style marker; do
	opened=$(grep -o "<${element}[ >]" "$tmp/svg" | wc -l)
	closed=$(grep -o "</$element>" "$tmp/svg" | wc -l)
	[ "$opened" -eq "$closed" ] || why="<$element> is not closed"
done
[ "$(tail -n 1 "$tmp/svg")" = '</svg>' ] || why='it has no end'
grep -q '>unmap private MMIO' "$tmp/svg" || why='no step 44'
result svg

# Steps appear as they come, also where a line comes in pieces
mkfifo "$tmp/fifo"
"$chart" -f <"$tmp/fifo" >"$tmp/out" 2>"$tmp/err" &
pid=$!
exec 3>"$tmp/fifo"
line=$(line_of 'iommufd tsm-bind')
{ head -n $((line - 1)) "$golden"; sed -n "${line}p" "$golden" | head -c 30; } >&3
for _ in $(seq 50); do
	grep -q '^ *13 ' "$tmp/out" && break
	sleep 0.1
done
grep -q '^ *13 ' "$tmp/out" || why='step 13 did not appear'
! grep -q '^ *14 ' "$tmp/out" || why='step 14 appeared too early'
{ sed -n "${line}p" "$golden" | tail -c +31; tail -n +$((line + 1)) "$golden"; } >&3
exec 3>&-
wait $pid || why="exit status $? $(head -n 2 "$tmp/err")"
grep -q 'all steps, in order' "$tmp/out" || why='no end'
result follow_pipe

cp "$golden" "$tmp/trace"
"$chart" -f "$tmp/trace" >"$tmp/out" 2>"$tmp/err" &
pid=$!
for _ in $(seq 50); do
	grep -q 'round 2' "$tmp/out" && break
	grep -q '^ *50 ' "$tmp/out" && break
	sleep 0.1
done
kill -TERM $pid
wait $pid || why="exit status $? $(head -n 2 "$tmp/err")"
grep -q 'all steps, in order' "$tmp/out" || why='no end'
result follow_file

if [ $nr -ne $plan ]; then
	echo "# $nr results, where $plan were planned"
	bad=1
fi
exit $bad
