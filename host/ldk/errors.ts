/** LDK's errors in words. */

import {
  APIError,
  APIError_APIMisuseError,
  APIError_ChannelUnavailable,
  APIError_FeeRateTooHigh,
  APIError_InvalidRoute,
  Bolt12SemanticError,
  ErrorAction,
  LightningError,
  PaymentFailureReason,
  RetryableSendFailure,
} from "lightningdevkit";

const withoutPrefix = (name: string): string => name.replace(/^LDK[A-Za-z0-9]+_/, "");

const apiText = (error: APIError): string => {
  if (
    error instanceof APIError_APIMisuseError ||
    error instanceof APIError_ChannelUnavailable ||
    error instanceof APIError_InvalidRoute ||
    error instanceof APIError_FeeRateTooHigh
  )
    return error.err;
  return withoutPrefix(error.constructor.name.replace(/^APIError_/, ""));
};

/** Of any result of the bindings that is an error. */
export const failureOf = (result: object): string => {
  const { err } = result as { readonly err?: unknown };
  return err instanceof APIError ? apiText(err) : "LDK refused, and does not say why";
};

export const sendFailure = (failure: RetryableSendFailure): string =>
  withoutPrefix(RetryableSendFailure[failure] ?? "unknown");
export const paymentFailure = (reason: PaymentFailureReason): string =>
  withoutPrefix(PaymentFailureReason[reason] ?? "unknown");
export const offerFailure = (reason: Bolt12SemanticError): string =>
  withoutPrefix(Bolt12SemanticError[reason] ?? "unknown");

/** What LDK drops without a word. */
export const ignored = (): LightningError =>
  LightningError.constructor_new("", ErrorAction.constructor_ignore_error());
