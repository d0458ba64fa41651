/** What the judge of scripts uses of the package, which has no types of its own. */
declare module "bitcore-lib" {
  interface Script {
    toBuffer(): Buffer;
  }
  interface Output {
    readonly script: Script | null;
  }
  interface Input {
    output?: Output;
  }
  interface Transaction {
    readonly inputs: readonly Input[];
    fromBuffer(bytes: Buffer): Transaction;
  }
  interface Interpreter {
    /** A word for why `verify` said no. */
    readonly errstr: string;
    verify(
      scriptSig: Script,
      scriptPubkey: Script,
      transaction: Transaction,
      input: number,
      flags: number,
      witness: readonly Buffer[],
      satoshis: number,
    ): boolean;
  }
  type InterpreterFlag =
    | "SCRIPT_VERIFY_P2SH"
    | "SCRIPT_VERIFY_STRICTENC"
    | "SCRIPT_VERIFY_DERSIG"
    | "SCRIPT_VERIFY_LOW_S"
    | "SCRIPT_VERIFY_NULLDUMMY"
    | "SCRIPT_VERIFY_SIGPUSHONLY"
    | "SCRIPT_VERIFY_MINIMALDATA"
    | "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS"
    | "SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY"
    | "SCRIPT_VERIFY_CHECKSEQUENCEVERIFY"
    | "SCRIPT_VERIFY_WITNESS"
    | "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM"
    | "SCRIPT_VERIFY_MINIMALIF"
    | "SCRIPT_VERIFY_NULLFAIL"
    | "SCRIPT_VERIFY_WITNESS_PUBKEYTYPE"
    | "SCRIPT_VERIFY_CONST_SCRIPTCODE"
    | "SCRIPT_VERIFY_TAPROOT"
    | "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION"
    | "SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS"
    | "SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE";
  interface ScriptClass {
    fromBuffer(bytes: Buffer): Script;
    readonly Interpreter: (new () => Interpreter) & Readonly<Record<InterpreterFlag, number>>;
  }
  interface TransactionClass {
    new (): Transaction;
    readonly Output: new (fields: { readonly satoshis: number; readonly script: Buffer }) => Output;
  }
  const bitcore: { readonly Script: ScriptClass; readonly Transaction: TransactionClass };
  export = bitcore;
}
