package guardduty_test

import (
	"fmt"

	"tourniquet/lambda/guardduty"
)

func ExampleParseEvent() {
	findings, err := guardduty.ParseEvent([]byte(`{
		"source": "aws.guardduty",
		"detail-type": "GuardDuty Finding",
		"detail": {
			"id": "1ac4f3d2b8e7960514a3c2d1e0f98701",
			"accountId": "111122223333",
			"type": "Backdoor:EC2/C&CActivity.B",
			"severity": 8,
			"resource": {"resourceType": "Instance", "instanceDetails": {"instanceId": "i-0123456789abcdef0"}},
			"service": {"action": {"actionType": "NETWORK_CONNECTION", "networkConnectionAction": {
				"connectionDirection": "OUTBOUND", "protocol": "TCP",
				"remotePortDetails": {"port": 443}, "remoteIpDetails": {"ipAddressV4": "198.51.100.7"}
			}}}
		}
	}`))
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range findings {
		fmt.Printf("%s, severity %.1f\n", f.Type, f.Severity)
		for _, i := range f.Instances {
			for _, p := range i.Peers {
				fmt.Printf("%s: %s %s, port %d\n", i.ID, p.Direction, p.Addr, p.RemotePort)
			}
		}
	}
	// Output:
	// Backdoor:EC2/C&CActivity.B, severity 8.0
	// i-0123456789abcdef0: outbound 198.51.100.7, port 443
}

// An event that can't be acted on is an error that names the field.
func ExampleParseEvent_malformed() {
	_, err := guardduty.ParseEvent([]byte(`{"Findings": [{
		"Id": "1ac4f3d2b8e7960514a3c2d1e0f98701",
		"Type": "Backdoor:EC2/C&CActivity.B",
		"Resource": {"ResourceType": "Instance", "InstanceDetails": {"InstanceId": "web-1"}}
	}]}`))
	fmt.Println(err)
	// Output:
	// Findings[0].resource.instanceDetails.instanceId: got "web-1", want an instance id such as i-0123456789abcdef0
}
