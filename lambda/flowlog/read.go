package flowlog

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// format names the fields of our records. The packets' own addresses tell the true ends
// of a flow, also where the interface has several.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
const format = "${version} ${interface-id} ${start} ${end} ${log-status} ${pkt-srcaddr} ${srcport} ${pkt-dstaddr} ${dstport} " +
	"${protocol} ${flow-direction} ${action} ${tcp-flags} ${bytes}"

// The bounds of a reading, in pages of FilterLogEvents, of 10,000 events or 1 MB each; and
// how many flow logs are read at once. CloudWatch Logs takes some 10 such calls a second.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
const (
	maxPages         = 20 // of one interface
	maxPagesTogether = 40 // of all together
	atOnce           = 4
)

// early is by how much a record may be written with an earlier time than its window has.
const early = 2 * time.Minute

// together is how far apart the beginnings of readings may be that are made as one: what
// one of them has read already is read again for it.
const together = time.Hour

// Read reads what the flow logs of interfaces say, each from a time on, in no order. The
// log group has nothing but flow logs of ours, so those of many interfaces are read as one,
// in as many calls as their records have pages. Those that lag behind are read by
// themselves; and so are all, where one of them says so much that the others would be left
// out. What can't be read as a record is left out. With more records than a reading takes,
// the last ones are missing: then the next reading begins where this one ended.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func (c *Client) Read(ctx context.Context, from map[string]time.Time) map[string]network.FlowLogRead {
	many, since := recent(from)
	alone := maps.Clone(from)
	reads := map[string]network.FlowLogRead{}
	if len(many) > 1 {
		records, whole, err := c.pages(ctx, "", since, maxPagesTogether)
		if whole || err != nil {
			for _, eni := range many {
				reads[eni] = network.FlowLogRead{Records: of(eni, from[eni], records), Err: err}
				delete(alone, eni)
			}
		}
	}
	var mu sync.Mutex
	each := parallel.New()
	each.SetLimit(atOnce)
	for eni, since := range alone {
		each.Go(func() error {
			records, _, err := c.pages(ctx, eni, since, maxPages)
			mu.Lock()
			defer mu.Unlock()
			reads[eni] = network.FlowLogRead{Records: of(eni, since, records), Err: err}
			return nil // one's failure stops no other
		})
	}
	_ = each.Wait()
	return reads
}

// recent are the interfaces that can be read together, and from when on.
func recent(from map[string]time.Time) (many []string, since time.Time) {
	var last time.Time
	for _, t := range from {
		if t.After(last) {
			last = t
		}
	}
	since = last
	for eni, t := range from {
		if last.Sub(t) > together {
			continue
		}
		many = append(many, eni)
		if t.Before(since) {
			since = t
		}
	}
	return many, since
}

// of are the records of an interface, from a time on.
func of(eni string, since time.Time, records []network.FlowRecord) []network.FlowRecord {
	var own []network.FlowRecord
	for _, r := range records {
		if r.Interface == eni && !r.Start.Before(since.Add(-early)) {
			own = append(own, r)
		}
	}
	return own
}

// pages reads so many pages of the streams whose names begin so, and says whether that was
// all.
func (c *Client) pages(ctx context.Context, prefix string, since time.Time, most int) (all []network.FlowRecord, whole bool, err error) {
	_, api := c.clients()
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(c.Group), StartTime: aws.Int64(since.Add(-early).UnixMilli())}
	if prefix != "" {
		in.LogStreamNamePrefix = aws.String(prefix)
	}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(api, in)
	for range most {
		if !pages.HasMorePages() {
			break
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return all, false, fmt.Errorf("reading flow logs: %w", err)
		}
		for _, e := range page.Events {
			if r, ok := parse(aws.ToString(e.Message)); ok {
				all = append(all, r)
			}
		}
	}
	return all, !pages.HasMorePages(), nil
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
