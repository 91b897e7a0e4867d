package ledger

import (
	"context"
	"fmt"
	"slices"

	"tourniquet/lambda/record"
)

// A vpcItem says that a VPC has slots, or had them. The slots are found by their VPC,
// and EC2 shows no VPC that is deleted: without this list, nobody would find its slots.
type vpcItem struct {
	header
}

func vpcOf(vpc string) vpcItem { return vpcItem{header{vpcKey(vpc), schemaFirst}} }

func (i vpcItem) vpc() (string, error) { return i.SK, nil }

// keeps are the VPCs in which a containment that is not open any more has denials to
// wait for. They are listed in the same transaction. Those of open ones are not: their
// instances are still there, and so many transactions would meet at one item.
func (i containmentItem) keeps() []string {
	if record.Status(i.Status).Open() {
		return nil
	}
	var vpcs []string
	for _, s := range i.Steps {
		if record.Kind(s.Kind) == record.KindDenial && !record.State(s.State).Final() {
			vpcs = append(vpcs, s.VPC)
		}
	}
	return set(vpcs)
}

// VPCs implements containment.Book.
func (t *Table) VPCs(ctx context.Context) ([]string, error) {
	items, err := t.query(ctx, pkVPCs, "")
	if err != nil {
		return nil, fmt.Errorf("listing VPCs with slots: %w", err)
	}
	vpcs := decodeAll(items, vpcItem.vpc)
	return vpcs.good, vpcs.err()
}

// MarkVPC implements containment.Book.
func (t *Table) MarkVPC(ctx context.Context, vpc string, used bool) error {
	i := vpcOf(vpc)
	var err error
	if used {
		_, _, err = t.putIf(ctx, i.key, i, ifWritable)
	} else {
		err = t.deleteIf(ctx, i.key, ifWritable)
	}
	if err != nil {
		return fmt.Errorf("marking %s: %w", vpc, err)
	}
	return nil
}

// VPCs implements containment.Book.
func (m *Memory) VPCs(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	var vpcs []string
	for k := range m.vpcs {
		vpcs = append(vpcs, k.SK)
	}
	slices.Sort(vpcs)
	return vpcs, nil
}

// MarkVPC implements containment.Book.
func (m *Memory) MarkVPC(ctx context.Context, vpc string, used bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer m.lock()()
	i := vpcOf(vpc)
	delete(m.vpcs, i.key)
	if used {
		m.vpcs[i.key] = i
	}
	return nil
}
