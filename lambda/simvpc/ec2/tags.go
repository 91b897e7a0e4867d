package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tourniquet/lambda/simvpc/world"
)

// Limits of tags (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html).
const (
	maxTags     = 50 // those of AWS services not counted
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags reports whether tags may be added to those a resource has.
func checkTags(has, add world.Tags) error {
	for key, value := range add {
		switch {
		case key == "":
			return fail("InvalidParameterValue", "Tag key cannot be null or empty.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(key) > maxTagKey:
			return fail("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return fail("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
	}
	count := 0
	for key := range has {
		if _, again := add[key]; !again && !strings.HasPrefix(key, "aws:") {
			count++
		}
	}
	if count+len(add) > maxTags {
		return fail("TagLimitExceeded", "More than %d tags specified", maxTags)
	}
	return nil
}

// A tagged is a resource that can have tags.
type tagged struct {
	kind kind
	id   string
	tags *world.Tags
}

// allTagged lists all resources that can have tags.
func allTagged(w *world.World) []tagged {
	var all []tagged
	for _, x := range w.VPCs {
		all = append(all, tagged{kindVPC, x.ID, &x.Tags})
	}
	for _, x := range w.Subnets {
		all = append(all, tagged{kindSub, x.ID, &x.Tags})
	}
	for _, x := range w.Groups {
		all = append(all, tagged{kindSG, x.ID, &x.Tags})
	}
	for _, x := range w.ACLs {
		all = append(all, tagged{kindACL, x.ID, &x.Tags})
	}
	for _, x := range w.Instances {
		all = append(all, tagged{kindInst, x.ID, &x.Tags})
	}
	for _, x := range w.Interfaces {
		all = append(all, tagged{kindENI, x.ID, &x.Tags})
	}
	for _, x := range w.Addresses {
		all = append(all, tagged{kindEIP, x.ID, &x.Tags})
	}
	for _, x := range w.Volumes {
		all = append(all, tagged{kindVol, x.ID, &x.Tags})
	}
	for _, x := range w.Snapshots {
		all = append(all, tagged{kindSnap, x.ID, &x.Tags})
	}
	for _, x := range w.FlowLogs {
		all = append(all, tagged{kindFL, x.ID, &x.Tags})
	}
	return all
}

// taggedByCall finds the resources that a call names.
func (r *request) taggedByCall() ([]tagged, error) {
	ids := r.p.list("ResourceId")
	if len(ids) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	all := allTagged(r.w)
	var found []tagged
	for _, id := range ids {
		k, err := kindOf(id)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(t tagged) bool { return t.id == id })
		if i < 0 {
			return nil, k.missing(id)
		}
		found = append(found, all[i])
	}
	return found, nil
}

func kindOf(id string) (kind, error) {
	for _, k := range []kind{kindVPC, kindSub, kindSG, kindACL, kindInst, kindENI, kindVol, kindSnap, kindFL, kindEIP} {
		if strings.HasPrefix(id, k.prefix) {
			return k, k.check(id)
		}
	}
	return kind{}, fail("InvalidID", "The ID '%s' is not valid", id)
}

func createTags(r *request) (answer, error) {
	resources, err := r.taggedByCall()
	if err != nil {
		return nil, err
	}
	add := world.Tags{}
	for _, tag := range r.p.structs("Tag") {
		add[tag.str("Key")] = tag.str("Value")
	}
	if len(add) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter tagSet")
	}
	for _, t := range resources {
		if err := checkTags(*t.tags, add); err != nil {
			return nil, err
		}
	}
	for _, t := range resources {
		if *t.tags == nil {
			*t.tags = world.Tags{}
		}
		maps.Copy(*t.tags, add)
	}
	return done(nil)
}

// deleteTags removes tags by key, or by key and value where a value is given,
// or all of them where no tag is.
func deleteTags(r *request) (answer, error) {
	resources, err := r.taggedByCall()
	if err != nil {
		return nil, err
	}
	named := r.p.structs("Tag")
	for _, tag := range named {
		if strings.HasPrefix(tag.str("Key"), "aws:") {
			return nil, fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	for _, t := range resources {
		maps.DeleteFunc(*t.tags, func(key, value string) bool {
			if len(named) == 0 {
				return !strings.HasPrefix(key, "aws:")
			}
			return slices.ContainsFunc(named, func(tag params) bool {
				return tag.str("Key") == key && (!tag.has("Value") || tag.str("Value") == value)
			})
		})
		if len(*t.tags) == 0 {
			*t.tags = nil
		}
	}
	return done(nil)
}

// A tagRow is one tag of one resource.
type tagRow struct {
	ID    string `xml:"resourceId"`
	Type  string `xml:"resourceType"`
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

var tagRows = catalogue[tagRow]{
	id: func(t tagRow) string { return t.ID + " " + t.Key },
	fields: map[string]func(*world.World, tagRow) []string{
		"key":           func(_ *world.World, t tagRow) []string { return []string{t.Key} },
		"value":         func(_ *world.World, t tagRow) []string { return []string{t.Value} },
		"resource-id":   func(_ *world.World, t tagRow) []string { return []string{t.ID} },
		"resource-type": func(_ *world.World, t tagRow) []string { return []string{t.Type} },
	},
	tags: func(t tagRow) world.Tags { return world.Tags{t.Key: t.Value} },
}

func describeTags(r *request) (answer, error) {
	var rows []tagRow
	for _, t := range allTagged(r.w) {
		for key, value := range *t.tags {
			rows = append(rows, tagRow{t.id, t.kind.name, key, value})
		}
	}
	slices.SortFunc(rows, func(a, b tagRow) int { return cmp.Compare(tagRows.id(a), tagRows.id(b)) })
	found, next, err := tagRows.describe(r, rows)
	return &struct {
		reply
		Tags set[tagRow] `xml:"tagSet"`
		Next string      `xml:"nextToken,omitempty"`
	}{Tags: set[tagRow]{found}, Next: next}, err
}
