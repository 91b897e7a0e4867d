package guardduty

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxUnreadableFields bounds the unreadable fields that a finding lists.
const maxUnreadableFields = 20

// notes collects the paths of fields that could not be read.
type notes struct {
	paths []string
	more  int // how many there are beyond
}

func (n *notes) add(path string) {
	switch {
	case slices.Contains(n.paths, path):
	case len(n.paths) == maxUnreadableFields:
		n.more++
	default:
		n.paths = append(n.paths, path)
	}
}

// fields lists the paths. The last entry says how many are left out.
func (n *notes) fields() []string {
	if n.more == 0 {
		return n.paths
	}
	return append(n.paths, fmt.Sprintf("and %d more", n.more))
}

// pascal writes paths as Security Hub writes keys, which has them in PascalCase. A
// product field is one key, whatever is in it.
func pascal(paths []string) []string {
	for i, path := range paths {
		if strings.HasPrefix(path, "ProductFields.") {
			continue
		}
		steps := strings.Split(path, ".")
		for n, step := range steps {
			steps[n] = strings.ToUpper(step[:1]) + step[1:]
		}
		paths[i] = strings.Join(steps, ".")
	}
	return paths
}

// inspect adds each field inside a decoded value that could not be read. The value is
// given by a pointer; path is where it stands in the finding.
func (n *notes) inspect(path string, pointer any) {
	n.walk([]byte(path), reflect.ValueOf(pointer).Elem())
}

func (n *notes) walk(path []byte, v reflect.Value) {
	if one, ok := v.Addr().Interface().(value); ok && one.unreadable() {
		n.add(string(path))
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				n.walk(extended(path, field.Tag.Get("json")), v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // JSON that is read elsewhere
		}
		for i := range v.Len() {
			n.walk(append(strconv.AppendInt(append(path, '['), int64(i), 10), ']'), v.Index(i))
		}
	default:
	}
}

// extended is the path of a member. Members that only wrap
// a value have no name.
func extended(path []byte, name string) []byte {
	if name == "" {
		return path
	}
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, name...)
}

// within names a field of what stands at a place in the event.
func within(at, field string) string {
	return strings.TrimPrefix(at+"."+field, ".")
}
