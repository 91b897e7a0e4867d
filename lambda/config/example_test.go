package config_test

import (
	"fmt"

	"tourniquet/lambda/config"
)

// A function reads its configuration from variables. Every problem is reported, by
// the variable's name.
func ExampleParse() {
	c, _ := config.Parse(map[string]string{config.Table: "ledger", config.NeverDeny: "203.0.113.0/24"})
	fmt.Println(c.Mode, c.MinSeverity, c.NeverDeny)

	_, err := config.Parse(map[string]string{config.Mode: "on", config.NeverDeny: "203.0.113.7/24"})
	fmt.Println(err)
	// Output:
	// enforce 7 [203.0.113.0/24]
	// configuration: TOURNIQUET_MODE: invalid mode "on": want enforce or observe; TOURNIQUET_NEVER_DENY: invalid CIDR "203.0.113.7/24": it has bits set behind its length; did you mean 203.0.113.0/24?; TOURNIQUET_TABLE: is not set: name of the ledger's DynamoDB table
}

// The stack reads its settings from cdk.json's context, and gives each function the
// variables that the function reads.
func ExampleFromContext() {
	s, _ := config.FromContext(map[string]any{
		"tourniquet:mode": "observe", "tourniquet:neverDeny": []any{"203.0.113.0/24", "2001:db8::/32"}, "tourniquet:denialTtl": "168h",
	})
	fmt.Println(s.Architecture, s.LogDays)
	fmt.Println(s.Variables(config.Contain))
	fmt.Println(s.Variables(config.Release))
	// Output:
	// arm64 365
	// map[TOURNIQUET_MODE:observe TOURNIQUET_NEVER_DENY:203.0.113.0/24,2001:db8::/32]
	// map[TOURNIQUET_DENIAL_TTL:168h]
}
