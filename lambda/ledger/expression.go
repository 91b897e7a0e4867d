package ledger

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An expression is a condition or an update in DynamoDB's own words. Attributes are
// written #name there, since many of their names are reserved words, and values :name.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
type expression struct {
	text   string
	values Item              // by ":name", but for :known
	names  map[string]string // by "#name", where that is not the attribute's name
}

// Parts of conditions. They bind more closely than AND.
const (
	absent   = "attribute_not_exists(#pk)"
	readable = "#schema <= :known" // and there; by this version of the program
)

// Most writes have one of these two conditions.
var (
	ifAbsent   = expression{text: absent}
	ifWritable = expression{text: absent + " OR " + readable}
)

// orAbsent is a condition that also holds where there is no item.
func orAbsent(condition string) string { return absent + " OR (" + condition + ")" }

// A request is what a write says besides its item or key: its expressions, and all that
// they name. DynamoDB refuses more than that.
type request struct {
	condition, update *string
	names             map[string]string
	values            Item
}

// requestOf puts a condition and an update, which may be empty, into one request. Its
// error says which value is missing, or stands for two things.
func requestOf(condition, update expression) (request, error) {
	r := request{condition: &condition.text, names: map[string]string{}}
	if update.text != "" {
		r.update = &update.text
	}
	for _, e := range []expression{condition, update} {
		for _, word := range strings.FieldsFunc(e.text, betweenWords) {
			value, given := e.values[word]
			switch {
			case word[0] == '#':
				r.names[word] = cmp.Or(e.names[word], word[1:])
				continue
			case word[0] != ':':
				continue
			case word == ":known":
				value = thisSchema
			case !given:
				return request{}, fmt.Errorf("the expression %q names %s, which has no value", e.text, word)
			}
			if r.values == nil {
				r.values = Item{}
			}
			if other, there := r.values[word]; there && other != value {
				return request{}, fmt.Errorf("%s stands for two values in %q and %q", word, condition.text, update.text)
			}
			r.values[word] = value
		}
	}
	return r, nil
}

var thisSchema = numberOf(schemaVersion) // what :known stands for

func betweenWords(r rune) bool {
	return r != '#' && r != ':' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func numberOf[N int | int64](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

func textOf(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func setOf(members ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: members}
}
