package guardduty

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// GuardDuty documents severity as 4 and as 4.0; Security Hub's fields and some
// exports have it as text.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
func TestSeverityForms(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]float64{
		`8`: 8, `8.0`: 8, `8.5`: 8.5, `"8"`: 8, `"8.0"`: 8, `8e0`: 8, `10`: 10, `0.1`: 0.1,
	} {
		got, err := ParseEvent([]byte(guardDutyEvent(with("severity", form))))
		if err != nil || len(got) != 1 || got[0].Severity != want {
			t.Errorf("severity %s: %+v, %v", form, got, err)
		}
	}
}

// Times come as text and as seconds since 1970, whole or not.
func TestTimeForms(t *testing.T) {
	t.Parallel()
	want := at("2026-11-23T08:57:40.25Z")
	for _, form := range []string{`"2026-11-23T08:57:40.25Z"`, `1795424260.25`, `"1795424260.25"`, `1.79542426025e9`, `"2026-11-23T09:57:40.250+01:00"`} {
		got, err := ParseEvent([]byte(with("updatedAt", form)))
		if err != nil || !got[0].UpdatedAt.Equal(want) || got[0].UpdatedAt.Location() != time.UTC {
			t.Errorf("time %s: %v, %v", form, got, err)
		}
	}
}

// probed is a finding of so many probes, each from an address of its own, and each
// given twice.
func probed(n int) string {
	var probes []string
	for i := range n {
		one := fmt.Sprintf(`{"localPortDetails":{"port":22},"remoteIpDetails":{"ipAddressV4":"45.148.%d.%d"}}`, i/250, i%250)
		probes = append(probes, one, one)
	}
	return guardDutyEvent(with("service", `{"action":{"portProbeAction":{"portProbeDetails":[`+strings.Join(probes, ",")+`]}}}`))
}

// Every one of several hundred probes is a peer, once; beyond that they are counted.
func TestManyPortProbes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, few, few + 1, 300, maxPeers} {
		got, err := ParseEvent([]byte(probed(n)))
		if err != nil || len(got[0].Instances[0].Peers) != n || got[0].Instances[0].OmittedPeers != 0 {
			t.Errorf("%d probes: %d peers, %d omitted, %v", n, len(got[0].Instances[0].Peers), got[0].Instances[0].OmittedPeers, err)
		}
	}
	got, err := ParseEvent([]byte(probed(maxPeers + 30)))
	if err != nil || len(got[0].Instances[0].Peers) != maxPeers || got[0].Instances[0].OmittedPeers < 30 {
		t.Errorf("%d probes: %d peers, %d omitted, %v", maxPeers+30, len(got[0].Instances[0].Peers), got[0].Instances[0].OmittedPeers, err)
	}
}

// The largest event that EventBridge delivers is read like any other: 1 MiB since
// 2026, 256 KiB before.
// https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
func TestLargestEvents(t *testing.T) {
	t.Parallel()
	for _, size := range []int{256 << 10, 1 << 20} {
		event := with("description", `"`+strings.Repeat("x", size-len(minimal)-200)+`"`)
		got, err := ParseEvent([]byte(guardDutyEvent(event)))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 1 {
			t.Errorf("%d bytes: %d findings, %v", size, len(got), err)
		}
	}
	got, err := ParseEvent(largest())
	if err != nil || len(got[0].Instances[0].Peers) != 1 {
		t.Errorf("probes of 1 MiB: %v", err)
	}
}
