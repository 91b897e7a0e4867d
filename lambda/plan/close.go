package plan

import (
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Closed is a record whose instance is gone.
func Closed(rec record.Record, slots []record.Slot) record.Record {
	rec.Status, rec.Exposure = record.Closed, nil
	rec.Steps = slices.Clone(rec.Steps)
	for i, s := range rec.Steps {
		d, ok := s.Step.(record.Denial)
		if !ok || s.State.Final() {
			continue
		}
		since := rec.Updated
		for _, slot := range slots {
			if slot.SlotKey == d.Slot() {
				since = slot.Since
			}
		}
		rec.Steps[i].State, rec.Steps[i].Until = record.Lingering, since.Add(network.DefaultTracking)
		rec.Steps[i].Note = "the instance is gone"
	}
	return rec
}
