package comment

import (
	"fmt"
	"strconv"
	"strings"

	"katkit.dev/katkit/internal/domain/text"
)

// maxLogin is the bound of a login in an annotation, in bytes.
const maxLogin = 100

// inComment parts a signature's person from the comment's number.
const inComment = " in comment "

// By is the signature that a comment leaves on what it made, cancelled or approved: "ann (#583231) in comment 42". A login may be another
// person's some day; the number is the account's for good.
func By(comment Comment) string {
	return fmt.Sprintf("%s (#%d)%s%d", text.Cut(text.Line(comment.Login), maxLogin), comment.Author.ID, inComment, comment.ID)
}

// commentIn is the number of the comment in a signature; 0 in another text.
func commentIn(signature string) int64 {
	_, number, _ := strings.Cut(signature, inComment)
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
