package flowlog

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"tourniquet/lambda/network"
)

// format names the fields of our records. The packets' own addresses tell the true ends
// of a flow, also where the interface has several.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
const format = "${version} ${interface-id} ${start} ${end} ${log-status} ${pkt-srcaddr} ${srcport} ${pkt-dstaddr} ${dstport} " +
	"${protocol} ${flow-direction} ${action} ${tcp-flags} ${bytes}"

// The bounds of a reading: pages of FilterLogEvents, of 10,000 events or 1 MB each.
const maxPages = 20

// early is by how much a record may be written with an earlier time than its window has.
const early = 2 * time.Minute

// Read reads what the flow logs of interfaces say, each from a time on, in no order. What
// can't be read as a record is left out. With more records than a reading takes, the
// last ones are missing: then the next reading begins where this one ended.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func (c *Client) Read(ctx context.Context, from map[string]time.Time) ([]network.FlowRecord, error) {
	var mu sync.Mutex
	var all []network.FlowRecord
	var failed error
	var each sync.WaitGroup
	for eni, since := range from {
		each.Go(func() {
			records, err := c.read(ctx, eni, since)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, records...)
			if err != nil {
				failed = fmt.Errorf("reading the flow log of %s: %w", eni, err)
			}
		})
	}
	each.Wait()
	return all, failed
}

func (c *Client) read(ctx context.Context, eni string, since time.Time) ([]network.FlowRecord, error) {
	_, api := c.clients()
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(api, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(c.Group), LogStreamNamePrefix: aws.String(eni), StartTime: aws.Int64(since.Add(-early).UnixMilli()),
	})
	var all []network.FlowRecord
	for range maxPages {
		if !pages.HasMorePages() {
			break
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return all, err
		}
		for _, e := range page.Events {
			if r, ok := parse(aws.ToString(e.Message)); ok && r.Interface == eni {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// parse reads a record in our format.
func parse(line string) (network.FlowRecord, bool) {
	const fields = 14
	f := strings.Fields(line)
	if len(f) != fields {
		return network.FlowRecord{}, false
	}
	start, err1 := strconv.ParseInt(f[2], 10, 64)
	end, err2 := strconv.ParseInt(f[3], 10, 64)
	r := network.FlowRecord{Interface: f[1], Start: time.Unix(start, 0).UTC(), End: time.Unix(end, 0).UTC(), Status: network.FlowStatus(f[4])}
	if err1 != nil || err2 != nil || end < start {
		return r, false
	}
	switch r.Status {
	case network.FlowNoData, network.FlowSkipData:
		return r, true
	case network.FlowOK:
	default:
		return r, false
	}
	from, ok1 := endpoint(f[5], f[6])
	to, ok2 := endpoint(f[7], f[8])
	protocol, err1 := strconv.Atoi(f[9])
	bytes, err2 := strconv.ParseInt(f[13], 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return r, false
	}
	const tcp, syn = 6, 2
	flags, _ := strconv.Atoi(f[12]) // "-" where there is none
	r.From, r.To, r.Protocol, r.Bytes = from, to, protocol, bytes
	r.Egress, r.Accepted, r.Opens = f[10] == "egress", f[11] == "ACCEPT", protocol == tcp && flags&syn != 0
	return r, true
}

// endpoint is one end of a flow. Protocols without ports have 0.
func endpoint(address, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil && port != "-" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}
