package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"downbeat/internal/queue"
)

// SQS names one error differently in its two protocols and in per-message
// replies, so errors are known by the end of their code.
var (
	codesNoQueue = []string{"QueueDoesNotExist", "NonExistentQueue"}
	codesDenied  = []string{
		"AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
		"InvalidAccessKeyId", "InvalidAddress", "InvalidClientTokenId", "InvalidSecurity", "InvalidSignatureException", "KmsAccessDenied",
		"KMS.AccessDeniedException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired",
		"SignatureDoesNotMatch", "UnauthorizedOperation", "UnrecognizedClientException",
	}
	// Temporary errors that SQS classifies as the sender's fault.
	codesTransient = []string{
		"OverLimit", "QueueDeletedRecently", "RequestExpired", "RequestThrottled", "RequestThrottledException", "RequestTimeTooSkewed",
		"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "KmsThrottled", "KMS.ThrottlingException",
		"TooManyRequestsException",
	}
	codesTooLarge = []string{"BatchRequestTooLong", "MessageTooLong"}
)

func isCode(code string, codes []string) bool {
	if slices.Contains(codes, code) {
		return true
	}
	dot := strings.LastIndexByte(code, '.')
	return slices.Contains(codes, code[dot+1:])
}

// mapped turns SQS's refusal of an operation into our errors. It is nil if trying again can
// help: no connection, throttling, an internal error of SQS.
func mapped(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorFault() == smithy.FaultServer {
		return nil
	}
	if err := refusal(api.ErrorCode(), api.ErrorMessage()); err != nil {
		return refused{err}
	}
	return nil
}

// refusal is the error for a code of SQS's, nil if trying again can help.
func refusal(code, text string) error {
	text = strings.TrimSpace(code + ": " + text)
	switch {
	case isCode(code, codesTransient):
		return nil
	case isCode(code, codesNoQueue):
		return fmt.Errorf("%w: %s", queue.ErrNoQueue, text)
	case isCode(code, codesDenied):
		return fmt.Errorf("%w: %s; check the credentials and what their policy allows (docs/aws.md)", queue.ErrDenied, text)
	case isCode(code, codesTooLarge), strings.Contains(text, "must be shorter than"):
		return fmt.Errorf("%w: %s", queue.ErrTooLarge, text)
	case strings.HasPrefix(code, "Internal") || strings.HasPrefix(code, "ServiceUnavailable") || code == "UnknownError":
		return nil
	}
	return errors.New(text)
}

// A refused is an error from SQS that trying again doesn't change.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// isRefusal tells an answer of SQS from a failed transmission.
func isRefusal(err error) bool {
	var r refused
	return errors.As(err, &r)
}

// ended is the error of a method whose context has ended, with the last problem, if any.
func ended(ctx context.Context, last error) error {
	if errors.Is(context.Cause(ctx), queue.ErrClosed) {
		return queue.ErrClosed
	}
	if last == nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%w)", ctx.Err(), last)
}
