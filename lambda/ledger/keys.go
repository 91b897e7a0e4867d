package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/record"
)

// The table's key attributes, both text.
const (
	PartitionKey = "pk"
	SortKey      = "sk"
)

// The prefixes and fixed parts of keys.
const (
	pkInstance    = "INSTANCE#"
	skContainment = "CONTAINMENT#"
	skEvent       = "EVENT#"
	pkVPC         = "VPC#"
	skSlot        = "SLOT#"
	pkOpen        = "OPEN"
	pkVPCs        = "VPCS"
	pkOwed        = "OWED"
	pkLease       = "LEASE"
	pkGuard       = "GUARD"
	skContained   = "CONTAINED"
)

// A key is an item's place in the table.
type key struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

func (k key) String() string { return k.PK + " " + k.SK }

func (k key) attributes() Item {
	return Item{
		PartitionKey: &types.AttributeValueMemberS{Value: k.PK},
		SortKey:      &types.AttributeValueMemberS{Value: k.SK},
	}
}

func containmentKey(instance string, generation int) key {
	return key{pkInstance + instance, skContainment + strconv.Itoa(generation)}
}

// generation is read from a containment's key, where a version of this program
// that is older than the item finds it too. The number isn't padded, so that the
// key's order is not the generations'.
func (k key) generation() (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(k.SK, skContainment))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("item %s: not the key of a containment", k)
	}
	return n, nil
}

func eventKey(e record.Event) key {
	return key{pkInstance + e.Instance, skEvent + e.Time.UTC().Format(time.RFC3339) + "#" + e.ID}
}

func slotKey(s record.SlotKey) key {
	return key{pkVPC + s.VPC, fmt.Sprintf("%s%s#%s#%d", skSlot, s.ACL, s.Direction, s.Number)}
}

func vpcKey(vpc string) key { return key{pkVPCs, vpc} }

func pointerKey(instance string) key { return key{pkOpen, instance} }

var guardKey = key{pkGuard, skContained}
