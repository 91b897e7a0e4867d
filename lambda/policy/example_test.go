package policy_test

import (
	"fmt"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/policy"
)

func ExamplePolicy_Decide() {
	p := policy.Policy{Account: "111122223333", Region: "eu-central-1", MinSeverity: policy.DefaultMinSeverity}
	f := guardduty.Finding{
		AccountID: "111122223333", Region: "eu-central-1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, ResourceType: "Instance",
		Instances: []guardduty.Instance{{ID: "i-0123456789abcdef0"}},
	}
	fmt.Println(p.Decide(f).Verdict)
	f.Severity = 4
	d := p.Decide(f)
	fmt.Printf("%s: %s\n", d.Verdict, d.Reason)
	// Output:
	// contain
	// not-actionable: Backdoor:EC2/C&CActivity.B, severity 4.0: below the severity floor of 7.0
}
